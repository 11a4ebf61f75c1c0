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

  it('delete nothing unless told, and keep for a month what is deleted', () => {
    const plain = parseSettings('', undefined);
    assert.deepEqual([plain.dicomweb.delete, plain.recycleBin.keepDays], ['off', 30]);
    const told = parseSettings('dicomweb: { delete: recycle }\nrecycleBin: { keepDays: 0.5 }', undefined);
    assert.deepEqual([told.dicomweb.delete, told.recycleBin.keepDays], ['recycle', 0.5]);
    assert.match(problemsOf('dicomweb: { delete: on }')[0] ?? '', /dicomweb\.delete: /);
    assert.match(problemsOf('recycleBin: { keepDays: -1 }')[0] ?? '', /recycleBin\.keepDays: /);
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

  it('leave no route to a worker from outside unless told to, and claim no steps but those with our own code', () => {
    const plain = parseSettings('', undefined);
    assert.deepEqual([plain.routes[0]?.worker, plain.ups.claim, plain.ups.outside.otherwise], ['hilum', [{ value: 'ANALYSIS', scheme: '99HILUM' }], 'analyze']);
    assert.match(problemsOf('ups: { claim: [ { value: 110004 } ] }')[0] ?? '', /ups\.claim\[0\]\./);
    assert.match(problemsOf('ups: { outside: { claimMinutes: 0 } }')[0] ?? '', /ups\.outside\.claimMinutes: /);
    assert.deepEqual(problemsOf('ups: { deliver: [ { to: pacs } ] }'), ['/etc/hilum.yaml: ups.deliver[0].to: there is no destination "pacs"']);
  });

  it('bound the answer to a search, which is never without matches', () => {
    assert.equal(parseSettings('', undefined).dicomweb.maxResults, 10_000);
    assert.match(problemsOf('dicomweb: { maxResults: 0 }')[0] ?? '', /dicomweb\.maxResults: /);
  });

  it('take origins of viewers, and no addresses or wildcards in their place', () => {
    assert.deepEqual(parseSettings('http: { allowOrigins: [ "https://viewer.example", "http://localhost:3000" ] }', undefined).http.allowOrigins, ['https://viewer.example', 'http://localhost:3000']);
    for (const wrong of ['*', 'https://viewer.example/', 'viewer.example', 'null']) assert.match(problemsOf(`http: { allowOrigins: [ "${wrong}" ] }`)[0] ?? '', /http\.allowOrigins\[0\]: must be an origin/);
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

  it('say what a peer may ask for, all of it unless told, and as whom it and we call, with passcodes in files beside the settings', () => {
    const [open, closed] = parseSettings("peers: [ { name: a, aeTitle: A }, { name: b, aeTitle: B, allow: [store], requireUser: { name: u, passcodeFile: ./secret }, sendUser: { name: v } } ]", '/etc/hilum.yaml').peers;
    assert.deepEqual([open?.allow, open?.requireUser], [['store', 'query', 'retrieve'], undefined]);
    assert.deepEqual([closed?.allow, closed?.requireUser, closed?.sendUser], [['store'], { name: 'u', passcodeFile: '/etc/secret' }, { name: 'v' }]);
    assert.match(problemsOf('peers: [ { name: a, aeTitle: A, allow: [print] } ]').join(), /peers\[0\]\.allow\[0\]/);
    assert.match(problemsOf('peers: [ { name: a, aeTitle: A, requireUser: { passcodeFile: x } } ]').join(), /peers\[0\]\.requireUser\.name/);
  });

  it('mean paths from the folder of the file', () => {
    const settings = parseSettings('home: ./data\nmodels: [ ../own ]\ndestinations: [ { name: out, type: folder, path: ./out } ]', '/etc/hilum/hilum.yaml');
    assert.equal(settings.home, '/etc/hilum/data');
    assert.deepEqual(settings.models, ['/etc/own']);
    assert.equal(settings.destinations[0]?.type === 'folder' && settings.destinations[0].path, '/etc/hilum/out');
  });

  it('have sources whose peers can be called, and whose watch asks for what there is', () => {
    const peers = 'peers: [ { name: pacs, aeTitle: PACS, host: 10.0.0.4, port: 4242 }, { name: mute, aeTitle: MUTE } ]';
    const source = (text: string): string[] => problemsOf(`${peers}\nsources: [ { name: archive, ${text} } ]`);
    assert.deepEqual(source('type: dimse, peer: nobody'), ['/etc/hilum.yaml: sources[0].peer: there is no peer "nobody"']);
    assert.deepEqual(source('type: dimse, peer: mute'), ['/etc/hilum.yaml: sources[0].peer: peer "mute" has no host and port to call']);
    assert.deepEqual(source('type: dimse, peer: pacs, watch: { query: { Modaliti: [CR] } }'), ['/etc/hilum.yaml: sources[0].watch.query.Modaliti: is not a DICOM keyword']);
    assert.deepEqual(source("type: dimse, peer: pacs, watch: { query: { StudyDate: ['20260101'] } }"), [
      '/etc/hilum.yaml: sources[0].watch.query.StudyDate: is asked for by the watch itself, as far back as its days',
    ]);
    assert.match(source('type: dimse, peer: pacs, retrieve: push')[0] ?? '', /sources\[0\]\.retrieve: /);
    assert.match(source('type: dicomweb, url: "ftp://archive"')[0] ?? '', /sources\[0\]\.url: /);
    assert.match(problemsOf(`${peers}\nsources: [ { name: a, type: dimse, peer: pacs }, { name: a, type: dimse, peer: pacs } ]`)[0] ?? '', /sources\[1\]\.name: "a" is used twice/);
    const [watched] = parseSettings(`${peers}\nsources: [ { name: archive, type: dimse, peer: pacs, watch: {} } ]`, undefined).sources;
    assert.deepEqual(watched?.watch, { everySeconds: 60, days: 1, query: { ModalitiesInStudy: ['CR', 'DX'] } });
    assert.deepEqual([watched?.type === 'dimse' && watched.retrieve, watched?.priors.automatic], ['get', false]);
  });

  it('complete from a modality worklist only what is not its own key, from a peer that can be called', () => {
    const peers = 'peers: [ { name: ris, aeTitle: RIS, host: 10.0.0.5, port: 104 } ]';
    assert.deepEqual(problemsOf(`${peers}\nmodalityWorklist: { peer: ris, complete: [AccessionNumber] }`), [
      '/etc/hilum.yaml: modalityWorklist.complete[0]: cannot be completed: the item is found by it',
    ]);
    assert.deepEqual(problemsOf('modalityWorklist: { peer: ris, complete: [PatientSex] }'), ['/etc/hilum.yaml: modalityWorklist.peer: there is no peer "ris"']);
    assert.match(problemsOf(`${peers}\nmodalityWorklist: { peer: ris, complete: [StudyDate] }`)[0] ?? '', /modalityWorklist\.complete\[0\]: /);
    assert.equal(parseSettings('', undefined).modalityWorklist, undefined);
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
