// A gateway that is killed while it fetches, and one whose settings get another source while it runs.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { texts } from '../../storage/dicom/dataset.ts';
import { studyFiles } from '../support/archive-studies.ts';
import { spawnGateway, studyOf, temporaryFolder, testSettings, waitFor, type ChildGateway } from '../support/gateway.ts';
import { startScriptedArchive, type ScriptedArchive } from '../support/scripted-archive.ts';

const STUDY = '2.25.9801';

describe('a gateway that fetches', function () {
  this.timeout(90_000);
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let archive: ScriptedArchive;
  let gateway: ChildGateway;
  before(async () => {
    folder = await temporaryFolder();
    archive = await startScriptedArchive(studyFiles({ studyInstanceUid: STUDY, series: [4] }));
  });
  after(async () => {
    await gateway?.stop();
    await archive?.[Symbol.asyncDispose]();
    await folder?.remove();
  });

  const source = (name: string) => ({ name, type: 'dimse', peer: 'pacs', retry: { hours: 0.01, firstSeconds: 0.1 }, timeoutSeconds: 20 });
  const overrides = (...names: string[]) => ({ roles: ['intake', 'web'], peers: [{ name: 'pacs', aeTitle: 'PACS', host: '127.0.0.1', port: archive.port }], sources: names.map(source) });
  const retrieve = (name: string): Promise<Response> =>
    fetch(`${gateway.api}/api/retrieve`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ source: name, studyInstanceUid: STUDY }) });

  it('goes on after it was killed, and asks for no instance twice that it has', async () => {
    gateway = await spawnGateway(folder.path, overrides('archive'));
    const released = Promise.withResolvers<void>();
    archive.script.before = () => (archive.statuses.length < 2 ? Promise.resolve() : released.promise);
    const location = (await retrieve('archive')).headers.get('location');
    await waitFor(async () => archive.statuses.length === 2 && (await studyOf(gateway.api, STUDY))?.instances.length === 2, 'two instances acknowledged, and in the index');
    await gateway.kill();
    archive.script = {};
    released.resolve();
    gateway = await spawnGateway(folder.path, overrides('archive'));
    await waitFor(async () => (await studyOf(gateway.api, STUDY))?.instances.length === 4, 'the whole study');
    const done = await waitFor(async () => {
      const answer = (await (await fetch(`${gateway.api}${location}`)).json()) as { state: string; fetched: number };
      return answer.state === 'completed' && answer;
    }, 'the retrieval');
    assert.equal(done.fetched, 2);
    const [, second] = archive.asked.filter(({ command }) => command === 'get');
    assert.deepEqual(texts(second!.identifier, 'SOPInstanceUID'), [`${STUDY}.1.3`, `${STUDY}.1.4`]);
    assert.equal(archive.statuses.filter((status) => status === 0).length, 4);
  });

  it('serves a source that its settings get while it runs', async () => {
    assert.equal((await retrieve('later')).status, 422);
    await writeFile(join(folder.path, 'hilum.yaml'), stringify(testSettings(folder.path, overrides('archive', 'later'))));
    const asked = await waitFor(async () => {
      const response = await retrieve('later');
      return response.status === 202 && response;
    }, 'the new source', 15_000);
    await waitFor(async () => ((await (await fetch(`${gateway.api}${asked.headers.get('location')}`)).json()) as { state: string }).state === 'completed', 'its retrieval', 15_000);
  });
});
