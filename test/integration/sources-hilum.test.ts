// One gateway fetches from another: both ends of Query/Retrieve and of DICOMweb are ours, whole and with a database each.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { studyFiles } from '../support/archive-studies.ts';
import { startTestGateway, studyOf, temporaryFolder, waitFor, worklistOf, type TestGateway } from '../support/gateway.ts';
import { freePort } from '../support/peers.ts';

const STUDY = '2.25.7601';
const PRIOR = '2.25.7602';

describe('fetching from another gateway of ours', function () {
  this.timeout(90_000);
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let archive: TestGateway;
  let gateway: TestGateway;
  before(async () => {
    folder = await temporaryFolder();
    const port = await freePort();
    archive = await startTestGateway(join(folder.path, 'archive'), {
      roles: ['intake', 'web'],
      dimse: { port: 0, aeTitle: 'ARCHIVE' },
      peers: [{ name: 'hilum', aeTitle: 'HILUM', from: ['127.0.0.1'], host: '127.0.0.1', port }],
    });
    const instances = [...studyFiles({ studyInstanceUid: STUDY, series: [3, 2] }), ...studyFiles({ studyInstanceUid: PRIOR, series: [1], values: { StudyDate: '20250105' } })];
    for (const { file } of instances) {
      const stored = await fetch(`${archive.api}/dicomweb/studies`, { method: 'POST', headers: { 'Content-Type': 'application/dicom', Accept: 'application/dicom+json' }, body: Buffer.from(file) });
      assert.equal(stored.status, 200, await stored.text());
    }
    for (const [uid, count] of [[STUDY, 5], [PRIOR, 1]] as const) await waitFor(async () => (await studyOf(archive.api, uid))?.instances.length === count, `${count} instances of ${uid} in the archive`);
    const retry = { hours: 0.01, firstSeconds: 0.2 };
    const dimse = (name: string, retrieve: string): object => ({ name, type: 'dimse', peer: 'archive', retrieve, retry, timeoutSeconds: 10, priors: { automatic: name === 'get' } });
    gateway = await startTestGateway(join(folder.path, 'gateway'), {
      dimse: { port },
      peers: [{ name: 'archive', aeTitle: 'ARCHIVE', from: ['127.0.0.1'], host: '127.0.0.1', port: archive.dimsePort }],
      sources: [dimse('get', 'get'), dimse('move', 'move'), { name: 'web', type: 'dicomweb', url: `${archive.api}/dicomweb`, retry, timeoutSeconds: 10 }],
    });
  });
  after(async () => {
    await gateway?.stop();
    await archive?.stop();
    await folder?.remove();
  });

  const post = (body: unknown): Promise<Response> => fetch(`${gateway.api}/api/retrieve`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });

  it('brings a study, analyses it, and fetches its prior, which waits for nobody', async () => {
    const asked = await post({ source: 'get', studyInstanceUid: STUDY });
    assert.equal(asked.status, 202, await asked.clone().text());
    const study = await waitFor(async () => {
      const found = await studyOf(gateway.api, STUDY);
      return found?.delivery === 'delivered' && found;
    }, 'the results of the study');
    assert.deepEqual([study.instances.filter(({ modality }) => modality === 'CR').length, study.instances[0]?.callingAe, study.route], [5, 'ARCHIVE', 'chest']);
    const prior = await waitFor(async () => studyOf(gateway.api, PRIOR), 'the prior');
    assert.deepEqual([prior.analysis, prior.route, prior.results], ['not-routed', null, []]);
    assert.deepEqual((await worklistOf(gateway.api)).map(({ studyInstanceUid }) => studyInstanceUid), [STUDY]);
  });

  for (const source of ['move', 'web'])
    it(`fetches nothing of what is here, asked of ${source}`, async () => {
      const location = (await post({ source, studyInstanceUid: STUDY })).headers.get('location');
      const done = await waitFor(async () => {
        const answer = (await (await fetch(`${gateway.api}${location}`)).json()) as { state: string; instances: number; fetched: number };
        return answer.state === 'completed' && answer;
      }, 'the retrieval');
      assert.deepEqual([done.instances, done.fetched], [5, 0]);
    });

  it('analyses what was here as a prior, once it is wanted for itself', async () => {
    await post({ source: 'move', studyInstanceUid: PRIOR });
    await waitFor(async () => (await studyOf(gateway.api, PRIOR))?.delivery === 'delivered', 'the results of what was a prior');
    assert.deepEqual((await worklistOf(gateway.api)).map(({ studyInstanceUid }) => studyInstanceUid).sort(), [STUDY, PRIOR]);
  });

  it('says what is wrong with a request', async () => {
    const refused = async (body: unknown): Promise<[number, string]> => {
      const response = await post(body);
      return [response.status, ((await response.json()) as { detail: string }).detail];
    };
    assert.deepEqual(await refused({ source: 'nowhere', studyInstanceUid: STUDY }), [422, 'There is no source "nowhere"; the settings have get, move, web.']);
    assert.deepEqual(await refused({ source: 'get', studyInstanceUid: 'x' }), [400, 'studyInstanceUid: is not a UID']);
    assert.equal((await refused({ source: 'get', studyInstanceUid: STUDY, prioors: true }))[0], 400);
    assert.equal((await fetch(`${gateway.api}/api/retrieve`, { method: 'POST', body: '{}' })).status, 415);
    assert.equal((await fetch(`${gateway.api}/api/retrieve/00000000-0000-4000-8000-000000000000`)).status, 404);
    const sources = (await (await fetch(`${gateway.api}/api/sources`)).json()) as { sources: { name: string; watch: null }[] };
    assert.deepEqual(sources.sources.map(({ name, watch }) => [name, watch]), [['get', null], ['move', null], ['web', null]]);
  });
});
