import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openDestination } from '../../gateway/delivery/destinations/open.ts';
import { DestinationUnavailable } from '../../storage/errors.ts';
import { settingsWith, silent } from '../support/dimse.ts';
import { outcomesOf, ResultFolder } from '../support/results-on-disk.ts';

const never = new AbortController().signal;

describe('delivery to a folder', () => {
  let source: ResultFolder;
  let target: ResultFolder;
  beforeEach(async () => void ([source, target] = [await ResultFolder.create(), await ResultFolder.create()]));
  afterEach(async () => {
    await source[Symbol.asyncDispose]();
    await target[Symbol.asyncDispose]();
  });
  const clientFor = (path: string) => {
    const settings = settingsWith({ destinations: [{ name: 'folder', type: 'folder', path }] });
    return openDestination(settings.destinations[0]!, settings, silent);
  };

  it('writes each result under its study, whole, and the same again when it is sent again', async () => {
    const results = [await source.report('2.25.10'), await source.image('2.25.11')];
    for (let round = 0; round < 2; round += 1) {
      const outcomes = await outcomesOf(clientFor(join(target.path, 'out')).send(results, never));
      assert.deepEqual(outcomes.map(({ status }) => status), ['delivered', 'delivered']);
      assert.deepEqual((await readdir(join(target.path, 'out', '2.25.1'))).sort(), ['2.25.10.dcm', '2.25.11.dcm']);
    }
    for (const { path, sopInstanceUid } of results) assert.ok((await readFile(join(target.path, 'out', '2.25.1', `${sopInstanceUid}.dcm`))).equals(await readFile(path)));
  });

  it('says that the destination is unavailable when the folder cannot be written, with the reason', async () => {
    await writeFile(join(target.path, 'file'), '');
    const sending = outcomesOf(clientFor(join(target.path, 'file')).send([await source.image('2.25.11')], never));
    await assert.rejects(sending, (error) => error instanceof DestinationUnavailable && /cannot write to .*file/.test(error.message));
  });

  it('refuses a UID that would lead out of the folder', async () => {
    const result = { ...(await source.image('2.25.11')), sopInstanceUid: '../../2.25.11' };
    const [outcome] = await outcomesOf(clientFor(join(target.path, 'out')).send([result], never));
    assert.deepEqual([outcome?.status, outcome?.status === 'refused' && outcome.permanent], ['refused', true]);
    assert.deepEqual(await readdir(target.path), []);
  });
});
