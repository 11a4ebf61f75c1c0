// Files as the world has them, through a whole gateway: those that pydicom brings, and radiographs in the character sets of other
// countries. What is kept is what was sent; what is shown is what another reader reads.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatPersonName, text, texts, type Dataset, type PersonName } from '../../storage/dicom/dataset.ts';
import { readPart10 } from '../../storage/dicom/part10.ts';
import { transferSyntax } from '../../storage/dicom/uids.ts';
import { phantomFile, startTestGateway, temporaryFolder, waitForDelivery, type TestGateway } from '../support/gateway.ts';
import { stowRequest } from '../support/stow.ts';
import { assertValidIod, assertValidTemplate } from '../support/validators.ts';

const PYDICOM_FILES = '/usr/lib/python3/dist-packages/pydicom/data';
/** Cut off, or with elements in groups that are not allowed. */
const BROKEN = ['MR_truncated', 'rtplan_truncated', 'meta_missing_tsyntax', 'nested_priv_SQ', 'no_meta'];
/** Whose file meta names another instance than the dataset. */
const MISNAMED = ['badVR', 'rtdose', 'rtdose_1frame', 'rtdose_expb', 'rtdose_expb_1frame', 'rtplan', 'chrJapMulti', 'chrJapMultiExplicitIR6'];
/** Without the UIDs that an instance needs. */
const NAMELESS = ['UN_sequence', 'empty_charset_LEI', 'no_meta_group_length', 'priv_SQ', 'chrSQEncoding', 'chrSQEncoding1'];

describe('odd files', function () {
  this.timeout(120_000);
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let gateway: TestGateway;

  before(async () => {
    folder = await temporaryFolder();
    gateway = await startTestGateway(join(folder.path, 'home'));
  });
  after(async () => {
    await gateway?.stop();
    await folder.remove();
  });

  const delivered = (sopInstanceUid: string): string => {
    const out = join(folder.path, 'home/out');
    const name = readdirSync(out, { recursive: true }).map(String).find((path) => path.endsWith(`${sopInstanceUid}.dcm`));
    assert.ok(name);
    return join(out, name);
  };
  const files = ['test_files', 'charset_files'].flatMap((name) => readdirSync(join(PYDICOM_FILES, name)).filter((file) => file.endsWith('.dcm')).map((file) => join(PYDICOM_FILES, name, file)));
  const nameOf = (path: string): string => path.replace(/^.*\/|\.dcm$/g, '');

  it('are kept byte for byte, and their names and texts are shown as pydicom reads them', async () => {
    const sound = files.filter((path) => ![...BROKEN, ...MISNAMED, ...NAMELESS].includes(nameOf(path)));
    assert.ok(sound.length > 60);
    const theirs = readByPydicom(sound);
    const seen = new Set<string | undefined>();
    for (const path of sound) {
      const stored = await stowRequest(gateway.api, [path]);
      // 202: another version of an instance that came before.
      assert.ok([200, 202].includes(stored.status), `${path}: ${await stored.clone().text()}`);
      const { dataset, transferSyntaxUid } = await readPart10(path);
      const study = `${gateway.api}/dicomweb/studies/${text(dataset, 'StudyInstanceUID')}`;
      const sopInstanceUid = text(dataset, 'SOPInstanceUID');
      const kept = await fetch(`${study}/series/${text(dataset, 'SeriesInstanceUID')}/instances/${sopInstanceUid}`, { headers: { accept: 'application/dicom; transfer-syntax=*' } });
      assert.equal(kept.status, 200, path);
      const [sent, back] = [await readFile(path), Buffer.from(await kept.arrayBuffer())];
      assert.equal(back.toString('latin1', 128, 132), 'DICM', path);
      // Some of the files are others in another uncompressed syntax, which is one copy; a dataset alone is kept behind a file meta.
      const isCopy = seen.has(sopInstanceUid) && !transferSyntax(transferSyntaxUid).encapsulated;
      seen.add(sopInstanceUid);
      const same = sent.toString('latin1', 128, 132) === 'DICM' ? back : back.subarray(-sent.length);
      assert.ok(isCopy || same.equals(sent), `${path} came back as something else`);
      const headers = (await (await fetch(`${study}/metadata`, { headers: { accept: 'application/dicom+json' } })).json()) as Dataset[];
      const shown = headers.find((header) => text(header, 'SOPInstanceUID') === sopInstanceUid);
      assert.ok(shown, path);
      assert.deepEqual(textOf(shown), theirs[path], path);
    }
  });

  it('are refused with the reason where they are broken or do not say which instance they are', async () => {
    for (const [names, reason] of [
      [BROKEN, /bytes|cannot stand here|not a DICOM file/],
      [MISNAMED, /SOP instance of the dataset is/],
      [NAMELESS, /SOPClassUID|SOPInstanceUID|SeriesInstanceUID|StudyInstanceUID/],
    ] as const)
      for (const name of names) {
        const stored = await stowRequest(gateway.api, files.filter((path) => nameOf(path) === name));
        assert.equal(stored.status, 409, name);
        assert.match(await stored.text(), reason, name);
      }
  });

  const names: [string[], string][] = [
    [['', 'ISO 2022 IR 87'], 'Yamada^Tarou=山田^太郎=やまだ^たろう'],
    [['', 'ISO 2022 IR 149'], 'Hong^Gildong=洪^吉洞=홍^길동'],
    [['ISO_IR 144'], 'Люкceмбypг^Роза'],
    [['ISO_IR 127'], 'قباني^لنزار'],
    [['GB18030'], 'Wang^XiaoDong=王^小东'],
    [['ISO_IR 100'], 'Äneas^Rüdiger'],
    [[], 'Plain^Name'],
  ];
  it('have results in the character sets that they are in themselves', async () => {
    const sent = [];
    for (const [characterSets, patientName] of names) {
      const source = await phantomFile(folder.path, { patientName, patientId: `SET${characterSets.join('')}`, characterSets, seed: 5 });
      assert.equal((await stowRequest(gateway.api, [source.path])).status, 200);
      sent.push({ source, characterSets, patientName });
    }
    for (const { source, characterSets, patientName } of sent) {
      const { results, patientName: shown } = await waitForDelivery(gateway.api, source.studyInstanceUid);
      assert.equal(shown, patientName);
      for (const kind of ['structured-report', 'overlay']) {
        const result = results.find((candidate) => candidate.kind === kind && !candidate.alternativeTo);
        assert.ok(result, kind);
        const path = delivered(result.sopInstanceUid);
        const { dataset } = await readPart10(path);
        assert.deepEqual(texts(dataset, 'SpecificCharacterSet'), characterSets);
        assert.equal(readByPydicom([path])[path]!['00100010'], patientName);
        await assertValidIod(path, kind);
        if (kind === 'structured-report' && characterSets.includes('ISO 2022 IR 87')) await assertValidTemplate(path, kind);
      }
    }
  });
});

interface Texts {
  [tag: string]: string;
}

/** Names and long texts of the top level; Debian's pydicom leaves the escapes of GB 2312 in them, so such values are left out. */
function readByPydicom(paths: string[]): Record<string, Texts> {
  const script = `
import json, sys, warnings, pydicom
warnings.simplefilter('ignore')
def texts(ds):
    values = {'%08X' % int(e.tag): str(e.value).strip().rstrip('=') for e in ds if e.VR in ('PN', 'LO', 'ST') and e.VM == 1 and not e.tag.is_private}
    return {tag: text for tag, text in values.items() if text and '\\x1b' not in text}
json.dump({f: texts(pydicom.dcmread(f, force=True)) for f in sys.argv[1:]}, sys.stdout)
`;
  return JSON.parse(execFileSync('/usr/bin/python3', ['-c', script, ...paths], { maxBuffer: 1e9 }).toString()) as Record<string, Texts>;
}

function textOf(header: Dataset): Texts {
  const single = Object.entries(header).filter(([tag, { vr, Value }]) => ['PN', 'LO', 'ST'].includes(vr) && Value?.length === 1 && parseInt(tag.slice(0, 4), 16) % 2 === 0);
  return Object.fromEntries(single.map(([tag, { Value }]) => [tag, typeof Value![0] === 'object' ? formatPersonName(Value![0] as PersonName) : String(Value![0])]));
}
