// A whole gateway, asked by DCMTK's findscu, movescu and getscu: what a PACS administrator tries first.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sendByDimse } from '../../gateway/commands/demo-pacs.ts';
import { dataset, text, texts, type Dataset } from '../../storage/dicom/dataset.ts';
import { readFrame } from '../../storage/dicom/frames.ts';
import { readPart10 } from '../../storage/dicom/part10.ts';
import { writePart10 } from '../../storage/dicom/write.ts';
import { imageValues, silent } from '../support/dimse.ts';
import { startTestGateway, temporaryFolder, type TestGateway } from '../support/gateway.ts';
import { findTool, freePort, runTool, startTool, type ToolResult } from '../support/peers.ts';

const EXPLICIT = '1.2.840.10008.1.2.1';
const SYNTAXES_STUDY = '2.25.900';
/** In which syntaxes the one study is kept, and what made each of the same pixels. */
const KEPT: Record<string, (source: string, target: string) => [tool: string, ...args: string[]]> = {
  '1.2.840.10008.1.2': (source, target) => ['dcmconv', '+ti', source, target],
  '1.2.840.10008.1.2.2': (source, target) => ['dcmconv', '+tb', source, target],
  '1.2.840.10008.1.2.1.99': (source, target) => ['dcmconv', '+td', source, target],
  '1.2.840.10008.1.2.4.57': (source, target) => ['dcmcjpeg', '+el', '+sv', '6', source, target],
  '1.2.840.10008.1.2.4.70': (source, target) => ['dcmcjpeg', '+e1', source, target],
  '1.2.840.10008.1.2.4.80': (source, target) => ['dcmcjpls', '+el', source, target],
  '1.2.840.10008.1.2.4.90': (source, target) => ['gdcmconv', '--j2k', source, target],
  '1.2.840.10008.1.2.5': (source, target) => ['dcmcrle', source, target],
};
/** getscu's option for each transfer syntax that it can prefer, and in what the gateway then sends what it can compress itself. */
const GETSCU_PREFERS: Record<string, string> = {
  '+x=': EXPLICIT,
  '+xe': EXPLICIT,
  '+xb': '1.2.840.10008.1.2.2',
  '+xs': '1.2.840.10008.1.2.4.70',
  '+xy': EXPLICIT,
  '+xx': EXPLICIT,
  '+xv': '1.2.840.10008.1.2.4.90',
  '+xw': EXPLICIT,
  '+xt': '1.2.840.10008.1.2.4.80',
  '+xu': EXPLICIT,
  '+xm': EXPLICIT,
  '+xh': EXPLICIT,
  '+xn': EXPLICIT,
  '+xl': EXPLICIT,
  '+x2': EXPLICIT,
  '+x3': EXPLICIT,
  '+xo': EXPLICIT,
  '+x4': EXPLICIT,
  '+x5': EXPLICIT,
  '+xr': '1.2.840.10008.1.2.5',
  '+xd': '1.2.840.10008.1.2.1.99',
  '+xi': EXPLICIT, // all that it then proposes
};

describe('DCMTK asks a gateway', function () {
  this.timeout(180_000);
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let gateway: TestGateway;
  let moverPort: number;
  let outputs = 0;

  const image = async (name: string, values: Record<string, unknown>): Promise<string> => {
    const path = join(folder.path, `${name}.dcm`);
    await writeFile(path, writePart10(dataset({ ...imageValues(String(values.SOPInstanceUID), 8192), ...values })));
    return path;
  };
  const send = async (paths: string[]): Promise<void> => {
    const files = await Promise.all(
      paths.map(async (path) => {
        const { dataset: header, transferSyntaxUid } = await readPart10(path);
        return { path, sopClassUid: text(header, 'SOPClassUID')!, sopInstanceUid: text(header, 'SOPInstanceUID')!, transferSyntaxUid };
      }),
    );
    await sendByDimse(files, { port: gateway.dimsePort!, aeTitle: 'HILUM' }, silent);
  };
  const find = async (...args: string[]): Promise<ToolResult & { found: Dataset[] }> => {
    const target = join(folder.path, `found-${(outputs += 1)}`);
    await mkdir(target);
    const result = await runTool('findscu', ['-v', '-aec', 'HILUM', '-X', '-od', target, ...args, '127.0.0.1', String(gateway.dimsePort)]);
    const names = (await readdir(target)).toSorted();
    return { ...result, found: await Promise.all(names.map(async (name) => (await readPart10(join(target, name))).dataset)) };
  };
  const keys = (level: string, ...more: string[]): string[] => [`QueryRetrieveLevel=${level}`, ...more].flatMap((key) => ['-k', key]);

  before(async () => {
    folder = await temporaryFolder();
    moverPort = await freePort();
    await mkdir(join(folder.path, 'home'));
    gateway = await startTestGateway(join(folder.path, 'home'), {
      roles: ['intake'],
      peers: [{ name: 'mover', aeTitle: 'MOVER', host: '127.0.0.1', port: moverPort }],
    });
    const paths = [
      await image('a1', { StudyInstanceUID: '2.25.1', SeriesInstanceUID: '2.25.11', SOPInstanceUID: '2.25.111', PatientID: 'P1', PatientName: 'Müller^Änne', StudyDate: '20260105', StudyTime: '0815', AccessionNumber: 'A1', StudyDescription: 'CHEST PA', InstanceNumber: 1, SeriesNumber: 1 }),
      await image('a2', { StudyInstanceUID: '2.25.1', SeriesInstanceUID: '2.25.11', SOPInstanceUID: '2.25.112', PatientID: 'P1', PatientName: 'Müller^Änne', StudyDate: '20260105', StudyTime: '0815', AccessionNumber: 'A1', StudyDescription: 'CHEST PA', InstanceNumber: 2, SeriesNumber: 1 }),
      await image('a3', { StudyInstanceUID: '2.25.1', SeriesInstanceUID: '2.25.12', SOPInstanceUID: '2.25.113', PatientID: 'P1', PatientName: 'Müller^Änne', StudyDate: '20260105', StudyTime: '0815', AccessionNumber: 'A1', StudyDescription: 'CHEST PA', Modality: 'DX', InstanceNumber: 1, SeriesNumber: 2 }),
      await image('b1', { StudyInstanceUID: '2.25.2', SeriesInstanceUID: '2.25.21', SOPInstanceUID: '2.25.211', PatientID: 'P1', PatientName: 'Müller^Änne', StudyDate: '20260207', StudyTime: '2301', AccessionNumber: 'A2' }),
      await image('c1', { StudyInstanceUID: '2.25.3', SeriesInstanceUID: '2.25.31', SOPInstanceUID: '2.25.311', PatientID: 'P2', PatientName: 'Yamada^Tarou=山田^太郎=やまだ^たろう', StudyDate: '20250301', StudyTime: '1200', AccessionNumber: 'B1' }),
    ];
    const source = await image('source', { StudyInstanceUID: SYNTAXES_STUDY, SeriesInstanceUID: '2.25.901', SOPInstanceUID: '2.25.9000', PatientID: 'P9', PatientName: 'SYNTAXES', StudyDate: '20200101' });
    paths.push(source);
    for (const [index, [, command]] of Object.entries(KEPT).entries()) {
      const path = join(folder.path, `kept-${index}.dcm`);
      const [tool, ...args] = command(source, path);
      execFileSync(findTool(tool), args);
      execFileSync(findTool('dcmodify'), ['-nb', '-m', `SOPInstanceUID=2.25.${9001 + index}`, path]);
      paths.push(path);
    }
    await send(paths);
    for (const end = performance.now() + 20_000; (await find('-S', ...keys('IMAGE', `StudyInstanceUID=${SYNTAXES_STUDY}`, 'SeriesInstanceUID=2.25.901', 'SOPInstanceUID'))).found.length < 9; )
      if (performance.now() > end) throw new Error('not all instances are in the archive');
  });
  after(async () => {
    await gateway?.stop();
    await folder?.remove();
  });

  it('findscu finds patients, studies, series and images, in both models', async () => {
    const patients = await find('-P', ...keys('PATIENT', 'PatientID', 'PatientName', 'NumberOfPatientRelatedStudies'));
    assert.deepEqual(patients.found.map((match) => [text(match, 'PatientID'), text(match, 'NumberOfPatientRelatedStudies')]).toSorted(), [['P1', '2'], ['P2', '1'], ['P9', '1']]);
    for (const model of ['-P', '-S']) {
      const studies = await find(model, ...keys('STUDY', 'PatientID=P1', 'StudyInstanceUID', 'StudyDate', 'ModalitiesInStudy', 'NumberOfStudyRelatedInstances', 'NumberOfStudyRelatedSeries'));
      assert.deepEqual(studies.found.map((match) => text(match, 'StudyInstanceUID')), ['2.25.2', '2.25.1']);
      const [, first] = studies.found;
      assert.deepEqual([texts(first!, 'ModalitiesInStudy').toSorted(), text(first!, 'NumberOfStudyRelatedInstances'), text(first!, 'NumberOfStudyRelatedSeries')], [['CR', 'DX'], '3', '2']);
      const series = await find(model, ...keys('SERIES', 'PatientID=P1', 'StudyInstanceUID=2.25.1', 'SeriesInstanceUID', 'Modality', 'NumberOfSeriesRelatedInstances'));
      assert.deepEqual(series.found.map((match) => [text(match, 'SeriesInstanceUID'), text(match, 'Modality'), text(match, 'NumberOfSeriesRelatedInstances')]), [['2.25.11', 'CR', '2'], ['2.25.12', 'DX', '1']]);
      const images = await find(model, ...keys('IMAGE', 'PatientID=P1', 'StudyInstanceUID=2.25.1', 'SeriesInstanceUID=2.25.11', 'SOPInstanceUID', 'InstanceNumber', 'Rows'));
      assert.deepEqual(images.found.map((match) => [text(match, 'SOPInstanceUID'), text(match, 'InstanceNumber'), text(match, 'Rows')]), [['2.25.111', '1', '64'], ['2.25.112', '2', '64']]);
    }
    assert.match(patients.output, /Success/);
  });

  const queries: [string, string[], string[]][] = [
    ['a name with a wildcard at both ends, without case and accents', ['PatientName=*LLER*'], ['2.25.2', '2.25.1']],
    ['a name by its beginning', ['PatientName=yama*'], ['2.25.3']],
    ['one character', ['PatientID=P?', 'AccessionNumber=B1'], ['2.25.3']],
    ['from a date on', ['StudyDate=20260101-'], ['2.25.2', '2.25.1']],
    ['to a date', ['StudyDate=-20251231'], ['2.25.3', SYNTAXES_STUDY]],
    ['a range of dates and of times', ['StudyDate=20260101-20261231', 'StudyTime=0800-0900'], ['2.25.1']],
    ['a list of UIDs', ['StudyInstanceUID=2.25.1\\2.25.3\\2.25.77'], ['2.25.1', '2.25.3']],
    ['a modality among others', ['ModalitiesInStudy=DX'], ['2.25.1']],
    ['a modality of their series', ['Modality=DX'], ['2.25.1']],
    ['an attribute of their images', ['InstanceNumber=2'], ['2.25.1']],
    ['what nobody has', ['PatientID=NOBODY'], []],
  ];
  for (const [what, more, expected] of queries)
    it(`findscu finds studies by ${what}`, async () => {
      const { found, output } = await find('-S', ...keys('STUDY', 'StudyInstanceUID', ...more));
      assert.deepEqual(found.map((match) => text(match, 'StudyInstanceUID')), expected, output);
    });

  it('findscu gets the same answer in every transfer syntax that it proposes', async () => {
    for (const option of ['-x=', '-xe', '-xb', '-xd', '-xi']) {
      const { found, output } = await find('-S', option, ...keys('STUDY', 'PatientID=P2', 'PatientName', 'StudyDate'));
      assert.deepEqual(found.map((match) => [text(match, 'PatientName'), text(match, 'StudyDate')]), [['Yamada^Tarou=山田^太郎=やまだ^たろう', '20250301']], `${option}: ${output}`);
    }
  });

  it("findscu is answered in its own character set, and finds what it asks for in it", async () => {
    const latin1 = join(folder.path, 'latin1.dump');
    const query = join(folder.path, 'latin1.dcm');
    await writeFile(latin1, Buffer.from('(0008,0005) CS [ISO_IR 100]\n(0008,0052) CS [STUDY]\n(0010,0010) PN [MÜLLER*]\n(0020,000d) UI\n', 'latin1'));
    execFileSync('/usr/bin/dump2dcm', [latin1, query]);
    const target = join(folder.path, 'latin1');
    await mkdir(target);
    const { output } = await runTool('findscu', ['-v', '-S', '-aec', 'HILUM', '-X', '-od', target, '127.0.0.1', String(gateway.dimsePort), query]);
    const matches = await Promise.all((await readdir(target)).map(async (name) => (await readPart10(join(target, name))).dataset));
    assert.deepEqual(matches.map((match) => [text(match, 'SpecificCharacterSet'), text(match, 'PatientName')]), Array.from({ length: 2 }, () => ['ISO_IR 100', 'Müller^Änne']), output);
  });

  it('findscu --cancel stops the answers', async () => {
    const { output } = await runTool('findscu', ['-d', '-S', '-aec', 'HILUM', '--cancel', '1', ...keys('STUDY', 'StudyInstanceUID'), '127.0.0.1', String(gateway.dimsePort)]);
    assert.match(output, /Sending Cancel Request|Cancel/i);
    assert.match(output, /DIMSE Status +: 0x(fe00|0000)/);
  });

  it('findscu sees why its query is refused', async () => {
    const { output } = await find('-S', '-d', ...keys('SERIES', 'SeriesInstanceUID'));
    assert.match(output, /IdentifierDoesNotMatchSOPClass|A900/i);
    assert.match(output, /StudyInstanceUID is needed above this level/);
  });

  const move = async (args: string[]): Promise<ToolResult & { files: string[]; target: string }> => {
    const target = join(folder.path, `moved-${(outputs += 1)}`);
    await mkdir(target);
    const result = await runTool('movescu', ['-v', '-aet', 'MOVER', '-aem', 'MOVER', '-aec', 'HILUM', '+P', String(moverPort), '-od', target, ...args, '127.0.0.1', String(gateway.dimsePort)]);
    return { ...result, target, files: (await readdir(target)).toSorted() };
  };

  it('movescu brings studies, series and images to itself', async () => {
    for (const [model, more, count] of [
      ['-S', keys('STUDY', 'StudyInstanceUID=2.25.1'), 3],
      ['-P', keys('PATIENT', 'PatientID=P1'), 4],
      ['-S', keys('SERIES', 'StudyInstanceUID=2.25.1', 'SeriesInstanceUID=2.25.11'), 2],
      ['-S', keys('IMAGE', 'StudyInstanceUID=2.25.1', 'SeriesInstanceUID=2.25.11', 'SOPInstanceUID=2.25.112'), 1],
      ['-S', keys('STUDY', 'StudyInstanceUID=2.25.77'), 0],
    ] as const) {
      const { files, output, code } = await move([model, ...more]);
      assert.equal(code, 0, output);
      assert.equal(files.length, count, output);
    }
  });

  it('movescu gets every instance as it is stored where it takes that, and uncompressed where it does not, the pixels the same', async () => {
    const pixels = Buffer.from(await readFrame(await readPart10(join(folder.path, 'source.dcm')), 1));
    for (const [option, asStored] of [['+xa', true], ['+xe', false], ['+xi', false]] as const) {
      const { files, output, target } = await move(['-S', option, ...keys('STUDY', `StudyInstanceUID=${SYNTAXES_STUDY}`)]);
      assert.equal(files.length, 9, output);
      const syntaxes = await Promise.all(files.map(async (name) => (await readPart10(join(target, name))).transferSyntaxUid));
      // Of lossless JPEG it takes the first selection value alone.
      if (asStored) assert.deepEqual(syntaxes.toSorted(), [EXPLICIT, ...Object.keys(KEPT)].map((uid) => (uid.endsWith('.57') ? EXPLICIT : uid)).toSorted());
      else assert.deepEqual([...new Set(syntaxes)].toSorted(), option === '+xi' ? ['1.2.840.10008.1.2'] : ['1.2.840.10008.1.2', EXPLICIT, '1.2.840.10008.1.2.2']);
      for (const name of files) assert.ok(pixels.equals(await rawPixels(join(target, name))), `${option} ${name}`);
    }
  });

  it('movescu --cancel stops in the middle, and an unknown destination is told', async () => {
    const { output } = await move(['-d', '-S', '--cancel', '1', ...keys('STUDY', `StudyInstanceUID=${SYNTAXES_STUDY}`)]);
    assert.match(output, /DIMSE Status +: 0x(fe00|0000)/);
    const unknown = await runTool('movescu', ['-v', '-d', '-aec', 'HILUM', '-aem', 'NOBODY', '-S', ...keys('STUDY', 'StudyInstanceUID=2.25.1'), '127.0.0.1', String(gateway.dimsePort)]);
    assert.match(unknown.output, /MoveDestinationUnknown/i);
  });

  it('storescp gets what movescu sends it', async () => {
    const target = join(folder.path, 'storescp');
    await mkdir(target);
    const scp = await startTool('storescp', () => ['+xa', '-aet', 'MOVER', '-od', target, String(moverPort)], moverPort);
    try {
      const { output } = await runTool('movescu', ['-v', '-aec', 'HILUM', '-aem', 'MOVER', '-S', ...keys('STUDY', `StudyInstanceUID=${SYNTAXES_STUDY}`), '127.0.0.1', String(gateway.dimsePort)]);
      assert.match(output, /Received Final Move Response \(Success\)/);
      assert.equal((await readdir(target)).length, 9);
    } finally {
      await scp[Symbol.asyncDispose]();
    }
  });

  for (const [option, expected] of Object.entries(GETSCU_PREFERS))
    it(`getscu ${option} gets every instance, the pixels the same`, async () => {
      const target = join(folder.path, `got-${(outputs += 1)}`);
      await mkdir(target);
      const { output, code } = await runTool('getscu', ['-v', '-S', '+B', option, '-aec', 'HILUM', '-od', target, ...keys('STUDY', `StudyInstanceUID=${SYNTAXES_STUDY}`), '127.0.0.1', String(gateway.dimsePort)]);
      assert.equal(code, 0, output);
      const files = await readdir(target);
      assert.equal(files.length, 9, output);
      const pixels = Buffer.from(await readFrame(await readPart10(join(folder.path, 'source.dcm')), 1));
      for (const name of files) {
        assert.equal((await readPart10(join(target, name))).transferSyntaxUid, expected);
        assert.ok(pixels.equals(await rawPixels(join(target, name))), name);
      }
    });

  /** As GDCM and DCMTK read them, not as we do. */
  async function rawPixels(path: string): Promise<Buffer> {
    const { transferSyntaxUid } = await readPart10(path);
    const raw = `${path}.raw`;
    const inGdcm = /\.4\.(57|70|80|90)$|\.1\.2\.5$/.test(transferSyntaxUid);
    execFileSync(findTool(inGdcm ? 'gdcmconv' : 'dcmconv'), inGdcm ? ['--raw', path, raw] : ['+te', path, raw]);
    return Buffer.from(await readFrame(await readPart10(raw), 1));
  }
});
