// Every field of every plugin's configuration, in checks that are created and run against servers
// that are there. A field that GET /plugins lists and no row here uses is a failure. What each of
// them judges is told in more detail by dns.test.js and the unit tests of the kinds.

import assert from 'node:assert/strict';

/** By plugin: [configuration, status]. */
function table({ website, names }) {
  const { url } = website;
  const www = { domain: 'example.com', subdomain: 'www', record_type: 'A', timeout: 5 };
  return {
    website: [
      [{ url, expected_status: 200, timeout: 5, warning_time: 5 }, 'success'],
      [{ url, expected_status: 418 }, 'error'],
      [{ url: `${url}echo`, method: 'POST', body: 'ping', headers: { 'x-word': 'pong' }, expected_content: 'POST ping pong' }, 'success'],
      [{ url, unexpected_content: 'Welcome' }, 'error'],
      [{ url: `${url}moved`, follow_redirects: true, max_redirects: 1 }, 'success'],
      [{ url: `${url}moved`, follow_redirects: false, accepted_statuses: '301,302' }, 'success'],
      [{ url: `${url}closed`, auth_username: 'ann', auth_password: 'secret' }, 'success'],
      [{ url: `${url}closed` }, 'error'],
      [{ url: website.tlsUrl, verify_ssl: true }, 'error'],
      [{ url: website.tlsUrl, verify_ssl: false }, 'success'],
    ],
    dns: [
      [{ domain: 'example.com', record_type: 'A' }, 'success'],
      [{ ...www, nameserver: names.address, expected_value: '192.0.2.2', exact: true }, 'success'],
      [{ ...www, expected_value: '192.0.2.3' }, 'error'],
      [{ ...www, check_dnssec: true }, 'error'],
      [{ domain: 'www.owned.test', record_type: 'A', nameserver: names.owner, check_authoritative: true }, 'success'],
      [{
        ...www, check_propagation: true, resolvers: [names.address, names.owner], propagation_threshold: 50, max_workers: 2,
      }, 'success'],
      [{ ...www, check_propagation: true, resolvers: [names.address, names.owner] }, 'warning'],
    ],
  };
}

/** [what, how] for each row, and whether the rows use every field. */
export function pluginCases(world) {
  const rows = table(world);
  const cases = Object.entries(rows).flatMap(([plugin, list]) => list.map(([config, status]) =>
    [`${plugin} ${JSON.stringify(config).replaceAll(/:\d{4,5}\b/g, '')}: ${status}`, async () => {
      const check = await world.newCheck({ plugin_type: plugin, config });
      const result = await world.owner.must(200, 'POST', `/api/v1/checks/${check.id}/run`);
      assert.equal(result.status, status, JSON.stringify(result));
    }]));
  const all = ['every field of every plugin is used', async () => {
    const { plugins } = await world.owner.must(200, 'GET', '/api/v1/plugins');
    for (const { name, required_config: required, optional_config: optional } of plugins) {
      const used = new Set((rows[name] ?? []).flatMap(([config]) => Object.keys(config)));
      const fields = Object.keys({ ...required, ...optional });
      assert.deepEqual(fields.filter((field) => !used.has(field)), [], name);
    }
  }];
  return [...cases, all];
}
