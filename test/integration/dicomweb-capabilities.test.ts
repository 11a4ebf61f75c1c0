import assert from 'node:assert/strict';
import pino from 'pino';
import { Registry } from 'prom-client';
import { settingsSchema } from '../../config/settings.ts';
import { createApp, type HttpOptions } from '../../gateway/http/app.ts';
import { openApi } from '../../gateway/http/openapi.ts';
import { parseXml, type XmlElement } from '../../storage/dicom/xml-document.ts';
import { startTestGateway, type TestGateway } from '../support/http-gateway.ts';

interface Operation {
  operationId?: string;
  summary?: string;
  parameters?: { name: string; in: string; required?: boolean }[];
  responses?: object;
}

const REPEATED = new Set(['resource', 'method', 'param', 'response', 'representation']);

describe('Retrieve Capabilities', () => {
  let gateway: TestGateway;
  before(async () => (gateway = await startTestGateway()));
  after(() => gateway.close());
  const options = (path: string, accept?: string) => fetch(gateway.url + path, { method: 'OPTIONS', headers: accept === undefined ? {} : { accept } });
  const list = (node: XmlElement, name: string) => (node[name] ?? []) as XmlElement[];

  it('describes the services in WADL: each resource below its own, with methods, parameters and media types', async () => {
    const response = await options('/dicomweb/');
    assert.deepEqual([response.status, response.headers.get('content-type')?.split(';')[0]], [200, 'application/vnd.sun.wadl+xml']);
    const application = parseXml(await response.text(), REPEATED)['application'] as XmlElement;
    const resources = application['resources'] as XmlElement;
    assert.equal(resources['@base'], `${gateway.url}/dicomweb`);
    const below = (node: XmlElement, ...path: string[]): XmlElement => path.reduce((at, segment) => list(at, 'resource').find((child) => child['@path'] === segment)!, node);
    const studies = below(resources, 'studies');
    assert.deepEqual(list(studies, 'method').map((method) => [method['@name'], method['@id']]), [['GET', 'SearchForStudies'], ['POST', 'StoreInstances']]);
    const search = list(studies, 'method')[0]!;
    assert.deepEqual(list(search['request'] as XmlElement, 'param').map((param) => param['@name']).slice(0, 3), ['{attribute}', 'includefield', 'fuzzymatching']);
    assert.ok(list(list(search, 'response')[0]!, 'representation').some((one) => one['@mediaType'] === 'application/dicom+json'));
    const metadata = below(studies, '{study}', 'series', '{series}', 'instances', '{instance}', 'metadata');
    assert.deepEqual(list(metadata, 'method').map((method) => method['@id']), ['RetrieveInstanceMetadata']);
    assert.ok(list(metadata, 'param').some((param) => param['@name'] === 'study' && param['@style'] === 'template'));
  });

  it('describes one resource and what is below it, and which methods it takes itself', async () => {
    const response = await options('/dicomweb/studies/2.25.1/series', 'application/json');
    assert.equal(response.headers.get('allow'), 'GET, HEAD, OPTIONS');
    const { paths } = (await response.json()) as { paths: Record<string, object> };
    assert.ok('/dicomweb/studies/{study}/series' in paths && '/dicomweb/studies/{study}/series/{series}/metadata' in paths);
    assert.ok(!('/dicomweb/studies' in paths) && !('/dicomweb/studies/{study}/metadata' in paths) && !('/healthz' in paths));
  });

  it('refuses other forms, and addresses that there are not', async () => {
    assert.equal((await options('/dicomweb', 'text/plain')).status, 406);
    assert.equal((await options('/dicomweb/nothing')).status, 404);
  });
});

describe('the OpenAPI description', () => {
  it('has every address and method that the gateway takes', async () => {
    // Only its routes are looked at: what they would ask is never asked.
    const nothing = { subscribe: () => () => undefined };
    const options = { settings: settingsSchema.parse({}), archive: nothing, transcoder: nothing, ups: { service: nothing }, events: nothing, metrics: new Registry(), log: pino({ level: 'silent' }), about: () => ({ version: '' }) };
    const { app } = await createApp(options as unknown as HttpOptions);
    const described = new Set(Object.entries(openApi('').paths).flatMap(([path, operations]) => Object.keys(operations).map((method) => `${method} ${path}`)));
    const served = app.router.stack.flatMap(({ route }) => {
      const paths: string[] = route ? [route.path].flat() : [];
      const methods = route?.stack.map(({ method }) => method) ?? [];
      return paths.flatMap((path) => [...new Set(methods)].map((method) => `${method} ${path.replaceAll(/[:*](\w+)/g, '{$1}')}`));
    });
    assert.ok(served.length > 20, 'the routes were found');
    assert.deepEqual(served.filter((one) => !described.has(one)).toSorted(), []);
    assert.deepEqual([...described].filter((one) => !served.includes(one)).toSorted(), []);
  });

  it('declares each part of an address that varies, says what may come back, and names the DICOMweb operations, each once', () => {
    const operations = Object.entries<Record<string, Operation>>(openApi('').paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ where: `${method} ${path}`, path, operation })));
    for (const { where, path, operation } of operations) {
      const varying = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      const declared = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path');
      assert.deepEqual(declared.map(({ name }) => name).toSorted(), varying.toSorted(), where);
      assert.ok(declared.every(({ required }) => required), where);
      assert.ok(Object.keys(operation.responses ?? {}).length > 0 && operation.summary, where);
    }
    const names = operations.filter(({ path }) => path.startsWith('/dicomweb/')).map(({ operation }) => operation.operationId);
    assert.ok(names.every((name) => name !== undefined));
    assert.equal(new Set(names).size, names.length, names.filter((name, at) => names.indexOf(name) !== at).join());
  });
});
