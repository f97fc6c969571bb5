// Swagger UI over the descriptions of both services. What is entered under "Authorize" stays in
// this tab.
window.ui = window.SwaggerUIBundle({
  urls: [
    { name: 'API', url: '/api/v1/openapi.json' },
    { name: 'Ingest', url: '/api/v1/docs/ingest.json' },
  ],
  dom_id: '#swagger-ui',
  deepLinking: true,
  displayRequestDuration: true,
  docExpansion: 'none',
  filter: true,
  presets: [window.SwaggerUIBundle.presets.apis, window.SwaggerUIStandalonePreset],
  layout: 'StandaloneLayout',
  validatorUrl: null, // no third party is told about this installation
});
