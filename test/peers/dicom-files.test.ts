// Our reader and writer against DCMTK's and pydicom's, on files of our own and on those that pydicom brings.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dataset, formatPersonName, type Dataset, type DicomElement } from '../../storage/dicom/dataset.ts';
import { readFrame } from '../../storage/dicom/frames.ts';
import { readPart10 } from '../../storage/dicom/part10.ts';
import { writePart10 } from '../../storage/dicom/write.ts';
import { runTool } from '../support/peers.ts';
import { inTemporaryFolder } from '../support/temporary-folder.ts';

const IMAGE = dataset({
  SOPClassUID: '1.2.840.10008.5.1.4.1.1.7',
  SOPInstanceUID: '1.2.3.4',
  PatientName: { Alphabetic: 'Müller^Jürg', Ideographic: '山田^太郎' },
  PatientID: 'P1',
  ReferencedSOPSequence: [{ ReferencedSOPInstanceUID: '1.2', PurposeOfReferenceCodeSequence: [{ CodeValue: '1' }] }, { ReferencedSOPInstanceUID: '1.3' }],
  PixelSpacing: [0.1, 0.25],
  SamplesPerPixel: 1,
  PhotometricInterpretation: 'MONOCHROME2',
  Rows: 2,
  Columns: 2,
  BitsAllocated: 16,
  BitsStored: 16,
  HighBit: 15,
  PixelRepresentation: 0,
  PixelData: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
});

describe('DCMTK', () => {
  for (const syntax of ['1.2.840.10008.1.2', '1.2.840.10008.1.2.1', '1.2.840.10008.1.2.2', '1.2.840.10008.1.2.1.99'])
    it(`reads what we write in ${syntax}`, async () => {
      await inTemporaryFolder(async (folder) => {
        const path = join(folder, 'ours.dcm');
        await writeFile(path, writePart10(IMAGE, { transferSyntaxUid: syntax, sourceAe: 'HILUM' }));
        const { code, output } = await runTool('dcmdump', ['+L', path]);
        assert.equal(code, 0, output);
        assert.match(output, /\(0010,0010\) PN \[Müller\^Jürg=山田\^太郎\]/);
        assert.match(output, /\(0028,0030\) DS \[0\.1\\0\.25\]/);
        assert.match(output, /\(7fe0,0010\) OW 0201\\0403\\0605\\0807/);
        assert.doesNotMatch(output, /^[EW]:/m);
      });
    });

  const conversions: [string, string[]][] = [
    ['implicit', ['+ti']],
    ['explicit with undefined lengths and group lengths', ['+te', '-e', '+g']],
    ['big endian', ['+tb']],
    ['big endian with undefined lengths', ['+tb', '-e']],
    ['deflated', ['+td']],
    ['without file meta', ['-F', '+ti']],
    ['padded', ['+te', '+p', '1024', '64']],
  ];
  for (const [name, options] of conversions)
    it(`converts a file so that we read the same from it: ${name}`, async () => {
      await inTemporaryFolder(async (folder) => {
        const [ours, theirs] = [join(folder, 'ours.dcm'), join(folder, 'theirs.dcm')];
        await writeFile(ours, writePart10(IMAGE));
        const { code, output } = await runTool('dcmconv', [...options, ours, theirs]);
        assert.equal(code, 0, output);
        const [left, right] = [await readPart10(ours), await readPart10(theirs)];
        assert.deepEqual(right.dataset, left.dataset);
        assert.deepEqual(Buffer.from(await readFrame(right, 1)), Buffer.from(await readFrame(left, 1)));
      });
    });
});

/** Names that the sets hold, as value 1 and the code extensions of Specific Character Set. */
const NAMES: [string[], string][] = [
  [[], 'Yamada^Tarou'],
  [['ISO_IR 100'], 'Äneas^Rüdiger'],
  [['ISO_IR 101'], 'Wałęsa^Ćwik'],
  [['ISO_IR 109'], 'Ħħ^Ġ'],
  [['ISO_IR 110'], 'ĸŗ^Ä'],
  [['ISO_IR 126'], 'Διονυσιος'],
  [['ISO_IR 127'], 'قباني^لنزار'],
  [['ISO_IR 138'], 'שרון^דבורה'],
  [['ISO_IR 144'], 'Люкceмбypг'],
  [['ISO_IR 148'], 'Çavuşoğlu^İnönü'],
  [['ISO_IR 166'], 'กานดา^ใจดี'],
  [['ISO_IR 13'], 'ﾔﾏﾀﾞ^ﾀﾛｳ'],
  [['ISO_IR 192'], 'Yamada^Tarou=山田^太郎=やまだ^たろう'],
  [['GB18030'], 'Wang^XiaoDong=王^小东'],
  [['GBK'], 'Wang^XiaoDong=王^小东'],
  [['', 'ISO 2022 IR 87'], 'Yamada^Tarou=山田^太郎=やまだ^たろう'],
  [['ISO 2022 IR 13', 'ISO 2022 IR 87'], 'ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう'],
  [['', 'ISO 2022 IR 87', 'ISO 2022 IR 159'], 'Yamada^Tarou=丂山^太郎'],
  [['', 'ISO 2022 IR 149'], 'Hong^Gildong=洪^吉洞=홍^길동'],
  [['', 'ISO 2022 IR 58'], 'Zhang^XiaoDong=张^小东'],
  [['ISO 2022 IR 100', 'ISO 2022 IR 144', 'ISO 2022 IR 126'], 'Äneas=Люкc=Διο'],
];

describe('text that we write in a Specific Character Set', () => {
  const write = async (folder: string, [terms, name]: (typeof NAMES)[number], index: number): Promise<string> => {
    const path = join(folder, `${index}.dcm`);
    await writeFile(path, writePart10(dataset({ SOPClassUID: '1.2.840.10008.5.1.4.1.1.7', SOPInstanceUID: '1.2.3', PatientName: name }), { characterSets: terms }));
    return path;
  };

  it('is read by pydicom', async () => {
    await inTemporaryFolder(async (folder) => {
      // Debian's pydicom leaves the escape sequences of GB 2312 in the text.
      const names = NAMES.filter(([terms]) => !terms.includes('ISO 2022 IR 58'));
      const files = await Promise.all(names.map((entry, index) => write(folder, entry, index)));
      const script = "import json, sys, pydicom; json.dump([str(pydicom.dcmread(f).PatientName) for f in sys.argv[1:]], sys.stdout)";
      const theirs = JSON.parse(execFileSync('/usr/bin/python3', ['-c', script, ...files]).toString()) as string[];
      assert.deepEqual(theirs, names.map(([, name]) => name));
    });
  });

  // Debian's DCMTK converts by the C library, which has no JIS X 0208 and 0212 by themselves.
  for (const [index, entry] of NAMES.entries())
    if (!entry[0].includes('ISO 2022 IR 87'))
      it(`is read by DCMTK: ${entry[0].join('\\') || 'default repertoire'}`, async () => {
        await inTemporaryFolder(async (folder) => {
          const { code, output } = await runTool('dcmdump', ['+U8', '+P', 'PatientName', await write(folder, entry, index)]);
          assert.equal(code, 0, output);
          assert.ok(output.includes(`[${entry[1]}]`), output);
        });
      });
});

const PYDICOM_FILES = '/usr/lib/python3/dist-packages/pydicom/data';
/** Every element as text, numbers as floats: what both can agree on. */
const PYTHON = `
import json, sys, warnings, pydicom
warnings.simplefilter('ignore')
def plain(ds):
    result = {}
    for e in ds:
        tag = '%08X' % int(e.tag)
        if e.tag.is_private or e.tag.group in (0x7FE0, 0xFFFC) or e.tag.element == 0: continue
        if e.VR == 'SQ': result[tag] = [plain(item) for item in e.value]; continue
        if isinstance(e.value, bytes): result[tag] = e.value.hex(); continue
        values = [] if e.value is None or e.value == '' else list(e.value) if isinstance(e.value, (list, pydicom.multival.MultiValue)) else [e.value]
        number = e.VR in ('IS', 'DS', 'US', 'SS', 'UL', 'SL', 'FL', 'FD')
        text = '%08X' if e.VR == 'AT' else '%s'
        result[tag] = [float(v) if number and v not in (None, '') else (text % v).strip().rstrip('=') if v is not None else '' for v in values]
    return result
json.dump({f: plain(pydicom.dcmread(f, force=True)) for f in sys.argv[1:]}, sys.stdout)
`;

describe('pydicom', () => {
  it('reads the same as we from its own files: names and text in every character set, numbers, sequences', async function () {
    this.timeout(60_000);
    const charsets = readdirSync(join(PYDICOM_FILES, 'charset_files')).map((name) => join(PYDICOM_FILES, 'charset_files', name));
    const others = ['ExplVR_BigEndNoMeta', 'UN_sequence', 'empty_charset_LEI', 'image_dfl', 'reportsi', 'rtplan', 'rtstruct', 'test-SR', 'JPEG2000', 'CT_small'].map(
      (name) => join(PYDICOM_FILES, 'test_files', `${name}.dcm`),
    );
    const files = [...charsets, ...others].filter((path) => path.endsWith('.dcm'));
    assert.ok(files.every(existsSync) && files.length > 25, 'python3-pydicom is not installed, and this test needs it: apt-get install python3-pydicom');
    const theirs = JSON.parse(execFileSync('/usr/bin/python3', ['-c', PYTHON, ...files], { maxBuffer: 1e9 }).toString()) as Record<string, unknown>;
    for (const path of files) assert.deepEqual(plain((await readPart10(path)).dataset, theirs[path] as Plain), theirs[path], path);
  });
});

interface Plain {
  [tag: string]: unknown;
}

/** As the script above; what we leave out of the header is taken from theirs. */
function plain(read: Dataset, theirs: Plain): Plain {
  const result: Plain = {};
  for (const [tag, element] of Object.entries(read)) {
    if (parseInt(tag.slice(0, 4), 16) % 2 === 1 || tag.startsWith('7FE0')) continue;
    result[tag] = element.BulkDataURI === undefined ? plainValue(element, theirs[tag]) : theirs[tag];
  }
  return result;
}

function plainValue(element: DicomElement, theirs: unknown): unknown {
  if (element.vr === 'SQ') return (element.Value ?? []).map((value, index) => plain(value as Dataset, (theirs as Plain[])[index] ?? {}));
  if (element.InlineBinary !== undefined) return Buffer.from(element.InlineBinary, 'base64').toString('hex');
  if (typeof theirs === 'string') return '';
  return (element.Value ?? []).map((value) => {
    if (value === null) return '';
    if (typeof value === 'object') return formatPersonName(value);
    return typeof value === 'string' ? value.trim() : value;
  });
}
