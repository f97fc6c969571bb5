// ReDoc over the description of the API, or of ingest with ?ingest.
const ingest = window.location.search === '?ingest';
window.Redoc.init(
  ingest ? '/api/v1/docs/ingest.json' : '/api/v1/openapi.json',
  { hideDownloadButton: false, expandResponses: '200,201', nativeScrollbars: true },
  document.getElementById('redoc'),
);
