import assert from 'node:assert/strict';
import { join } from 'node:path';
import { loadSettings, parseSettings, SettingsError } from '../../config/load.ts';

function problemsOf(text: string, environment = {}): string[] {
  try {
    parseSettings(text, '/etc/hilum.yaml', environment);
  } catch (error) {
    assert.ok(error instanceof SettingsError);
    return error.problems;
  }
  return [];
}

describe('settings', () => {
  it('work without a file: loopback only, the model that comes with the project', () => {
    const settings = parseSettings('', undefined);
    assert.equal(settings.http.host, '127.0.0.1');
    assert.equal(settings.dimse.aeTitle, 'HILUM');
    assert.equal(settings.acceptUnknownPeers, 'loopback');
    assert.deepEqual(settings.models, ['opacity', 'pneumonia-type', 'lungs'].map((name) => join(import.meta.dirname, '../../ai/models', name)));
  });

  it('name a wrong key, a wrong value and a name that is not there, each in one line with its path', () => {
    const problems = problemsOf(`
dimse: { port: 70000, aetitle: X }
routes:
  - { name: chest, models: [opacity], deliver: [ { to: pacs } ] }
colour: red`);
    assert.ok(problems.some((line) => /^\/etc\/hilum\.yaml: dimse\.port: /.test(line)), problems.join('\n'));
    assert.ok(problems.some((line) => line === '/etc/hilum.yaml: dimse.aetitle: is not a setting'));
    assert.ok(problems.some((line) => line === '/etc/hilum.yaml: colour: is not a setting'));
    assert.deepEqual(problemsOf('routes: [ { name: chest, models: [opacity], deliver: [ { to: pacs } ] } ]'), [
      '/etc/hilum.yaml: routes[0].deliver[0].to: there is no destination "pacs"',
    ]);
  });

  it('order the worklist by probability and measure severity on every route, unless told otherwise', () => {
    const plain = parseSettings('', undefined);
    assert.deepEqual([plain.worklist.order, plain.routes[0]?.severity], ['probability', true]);
    const told = parseSettings('worklist: { order: severity }\nroutes: [ { name: chest, models: [opacity], severity: false } ]', undefined);
    assert.deepEqual([told.worklist.order, told.routes[0]?.severity], ['severity', false]);
    assert.match(problemsOf('worklist: { order: age }')[0] ?? '', /worklist\.order: /);
  });

  it('refuse a model that a route names twice, or in use and in the shadow at once', () => {
    assert.deepEqual(problemsOf('routes: [ { name: chest, models: [opacity, opacity] } ]'), ['/etc/hilum.yaml: routes[0].models[1]: model "opacity" is named twice in this route']);
    assert.deepEqual(problemsOf('routes: [ { name: chest, models: [opacity], shadow: [next, opacity] } ]'), ['/etc/hilum.yaml: routes[0].shadow[1]: model "opacity" is named twice in this route']);
  });

  it('say where YAML is broken', () => {
    assert.match(problemsOf('http: { port: 1')[0] ?? '', /^\/etc\/hilum\.yaml: .*line 1/);
  });

  it('refuse to be reachable from other machines without saying who may call', () => {
    assert.deepEqual(problemsOf('http: { host: 0.0.0.0 }'), ['/etc/hilum.yaml: http.auth: is required when http.host is 0.0.0.0, not loopback']);
    const problems = problemsOf('dimse: { host: 0.0.0.0 }');
    assert.ok(problems.some((line) => line.includes('acceptUnknownPeers: must be "never"')));
    assert.ok(problems.some((line) => line.includes('peers: must list')));
  });

  it('let the environment override ports, home and AE title, and name a port that is none', () => {
    const settings = parseSettings('', undefined, { HILUM_HOME: '/var/lib/hilum', HILUM_HTTP_PORT: '0', HILUM_DIMSE_PORT: '104', HILUM_AE_TITLE: 'NIGHT', DATABASE_URL: 'postgres://db/hilum' });
    assert.equal(settings.home, '/var/lib/hilum');
    assert.equal(settings.http.port, 0);
    assert.equal(settings.dimse.port, 104);
    assert.equal(settings.dimse.aeTitle, 'NIGHT');
    assert.equal(settings.databaseUrl, 'postgres://db/hilum');
    assert.deepEqual(problemsOf('', { HILUM_HTTP_PORT: 'eighty' }), ['HILUM_HTTP_PORT: "eighty" is not a port number']);
  });

  it('mean paths from the folder of the file', () => {
    const settings = parseSettings('home: ./data\nmodels: [ ../own ]\ndestinations: [ { name: out, type: folder, path: ./out } ]', '/etc/hilum/hilum.yaml');
    assert.equal(settings.home, '/etc/hilum/data');
    assert.deepEqual(settings.models, ['/etc/own']);
    assert.equal(settings.destinations[0]?.type === 'folder' && settings.destinations[0].path, '/etc/hilum/out');
  });

  it('name a file that cannot be read', async () => {
    await assert.rejects(loadSettings('/nowhere/hilum.yaml', {}), /\/nowhere\/hilum\.yaml: cannot be read/);
  });
});

describe('config/example.yaml', () => {
  it('shows every setting with its default', async () => {
    const file = join(import.meta.dirname, '../../config/example.yaml');
    const { file: _file, home: _home, ...shown } = await loadSettings(file, {});
    const { file: _none, home: _default, ...defaults } = parseSettings('', undefined);
    assert.deepEqual(shown, defaults);
  });
});

describe('settings as people write them', () => {
  it('take a UID root without quotes, which YAML reads as a number', () => {
    assert.equal(parseSettings('uidRoot: 2.25', undefined).uidRoot, '2.25');
  });

  it('name a route condition that is no DICOM keyword', () => {
    assert.deepEqual(problemsOf('routes: [ { name: chest, when: { Modalty: [CR] }, models: [opacity] } ]'), ['/etc/hilum.yaml: routes[0].when.Modalty: is not a DICOM keyword']);
  });
});
