import assert from 'node:assert/strict';
import { settingsSchema } from '../../config/settings.ts';
import { startTestGateway, type TestGateway } from '../support/http-gateway.ts';

const VIEWER = 'https://viewer.example';

describe('viewers on other origins', () => {
  let gateway: TestGateway;
  before(async () => (gateway = await startTestGateway({ settings: settingsSchema.parse({ http: { port: 0, allowOrigins: [VIEWER] }, limits: { drainSeconds: 1 } }) })));
  after(() => gateway.close());
  const from = (origin: string, path: string, method = 'GET', headers: Record<string, string> = {}) => fetch(gateway.url + path, { method, headers: { Origin: origin, ...headers } });

  it('may use DICOMweb where the settings name them', async () => {
    const answer = await from(VIEWER, '/dicomweb/studies/2.25.1/metadata');
    assert.equal(answer.headers.get('access-control-allow-origin'), VIEWER);
    assert.match(answer.headers.get('access-control-expose-headers')!, /Warning/);
    const asked = await from(VIEWER, '/dicomweb/studies', 'OPTIONS', { 'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'authorization' });
    assert.equal(asked.status, 204);
    assert.match(asked.headers.get('access-control-allow-headers')!, /Authorization/);
    assert.match(asked.headers.get('access-control-allow-methods')!, /POST/);
  });

  it('are kept from everything else, and those that are not named from all of it', async () => {
    for (const [origin, path] of [[VIEWER, '/api/worklist'], [VIEWER, '/healthz'], ['https://evil.example', '/dicomweb/studies/2.25.1/metadata'], ['null', '/dicomweb/studies/2.25.1/metadata']] as const)
      assert.equal((await from(origin, path)).headers.get('access-control-allow-origin'), null, `${origin} ${path}`);
  });
});
