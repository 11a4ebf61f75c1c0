// Our results before the judges that others trust: dicom3tools' dciodvfy, PixelMed's DicomSRValidator, DCMTK's readers.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import type { AnalysisOutcome, Region } from '../../ai/analysis.ts';
import { phantomDicom, type PhantomDicomSpec } from '../../ai/phantom/dicom.ts';
import type { EncodedResult, OutcomeImage, StudyOutcome } from '../../ai/results/outcome.ts';
import { encodeOverlays } from '../../ai/results/overlay.ts';
import { overlayGeometry } from '../../ai/results/overlay/geometry.ts';
import { COMPREHENSIVE_3D_SR, encodeReport } from '../../ai/results/structured-report.ts';
import { text } from '../../storage/dicom/dataset.ts';
import { readPart10 } from '../../storage/dicom/part10.ts';
import { runTool } from '../support/peers.ts';
import { NOTHING_FOUND, analyzed, studyOutcome } from '../support/results.ts';

const REGIONS: Region[] = [
  { x: 180, y: 520, width: 210, height: 260, label: 'opacity', score: 0.91, trackingUid: '2.25.501' },
  { x: 640.5, y: 300.25, width: 170, height: 190, label: 'opacity', score: 0.443, trackingUid: '2.25.502' },
];
const COLUMNS = 1024;
const ROWS = 1100;
const PIXELMED = '/usr/share/java/pixelmed.jar';
const STUDY = '2.25.4242';
const NOT_ANALYZABLE: AnalysisOutcome = { status: 'not-analyzable', reason: 'lateral view' };

describe('the results before validators and readers', function () {
  this.timeout(120_000);
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hilum-validators-'));
  });
  after(() => rm(folder, { recursive: true }));

  let files = 0;
  async function image(outcome: AnalysisOutcome, spec: Partial<PhantomDicomSpec> = {}): Promise<OutcomeImage> {
    const path = join(folder, `source-${++files}.dcm`);
    const name = 'Yamada^Tarou=山田^太郎=やまだ^たろう';
    const file = { seed: files, rows: ROWS, columns: COLUMNS, patientName: name, patientId: 'P-1', studyInstanceUid: STUDY, ...spec };
    await writeFile(path, await phantomDicom(file));
    const { dataset: header } = await readPart10(path);
    const uid = (keyword: string): string => text(header, keyword)!;
    return {
      path,
      header,
      digest: String(files).repeat(8),
      sopInstanceUid: uid('SOPInstanceUID'),
      sopClassUid: uid('SOPClassUID'),
      seriesInstanceUid: uid('SeriesInstanceUID'),
      frame: 1,
      frames: 1,
      outcome,
    };
  }

  async function written(result: EncodedResult): Promise<string> {
    const path = join(folder, `${result.sopInstanceUid}.dcm`);
    await writeFile(path, result.bytes);
    return path;
  }

  /** Every kind of outcome that a study can have. */
  const predecessor = { sopClassUid: COMPREHENSIVE_3D_SR, sopInstanceUid: '2.25.9', seriesInstanceUid: '2.25.8', studyInstanceUid: STUDY };
  const reason = 'no frontal chest radiograph in the study';
  const studies: Record<string, () => Promise<StudyOutcome>> = {
    'two regions, and a lateral': async () =>
      studyOutcome([await image(analyzed({ regions: REGIONS })), await image(NOT_ANALYZABLE)]),
    'one region in a DX image': async () =>
      studyOutcome([await image(analyzed({ regions: REGIONS.slice(0, 1) }), { modality: 'DX', view: 'AP' })]),
    'found but not located': async () => studyOutcome([await image(analyzed({ regions: [] }))]),
    'nothing found, second version': async () => studyOutcome([await image(NOTHING_FOUND)], { predecessor, version: 2 }),
    'nothing to analyse': async () => studyOutcome([await image(NOT_ANALYZABLE)], { reason }),
    failed: async () => studyOutcome([await image({ status: 'failed', reason: 'the analysis took longer than 60 s, twice' })]),
  };

  for (const [name, study] of Object.entries(studies)) {
    it(`dciodvfy finds no error in report and overlay: ${name}`, async () => {
      const outcome = await study();
      for (const result of [...encodeReport(outcome), ...(await encodeOverlays(outcome))]) {
        const { output } = await runTool('dciodvfy', [await written(result)]);
        assert.match(output, /^(Comprehensive3DSR|ComprehensiveSR|SCImage)$/m, output);
        assert.doesNotMatch(output, /^Error/m, `${result.sopClassUid}:\n${output}`);
      }
    });

    // The two forms differ in their SOP class alone, and the validator needs ten seconds for each.
    it(`PixelMed's validator recognises TID 1500 and finds no error: ${name}`, async () => {
      const forms = encodeReport(await study());
      for (const result of name === 'failed' ? forms : forms.slice(0, 1)) {
        const output = await pixelmed(await written(result));
        assert.match(output, /Found Root Template TID_1500/, output);
        assert.match(output, /IOD validation complete/, output);
        assert.doesNotMatch(output, /^Error|Exception/m, `${result.sopClassUid}:\n${output}`);
      }
    });
  }

  it('dsrdump reads the report, with the name in every script and the region on its image', async () => {
    const source = await image(analyzed({ regions: REGIONS }));
    for (const result of encodeReport(studyOutcome([source]))) {
      const { code, output } = await runTool('dsrdump', ['+Pl', await written(result)]);
      assert.equal(code, 0, output);
      assert.doesNotMatch(output, /^[EF]:/m);
      assert.ok(output.includes('Yamada^Tarou=山田^太郎=やまだ^たろう'), output);
      assert.match(output, /Image Region.*POLYLINE,180\/520,390\/520,390\/780,180\/780,180\/520/);
      assert.match(output, /Opacity.*Present/);
    }
  });

  it('dcm2pnm shows the boxes in the overlay where region times scale plus offset says', async () => {
    const [result] = await encodeOverlays(studyOutcome([await image(analyzed({ regions: REGIONS }))]));
    const png = join(folder, 'overlay.png');
    const { output } = await runTool('dcm2pnm', ['+on', await written(result!), png]);
    assert.ok(existsSync(png), output);
    const { data, info } = await sharp(await readFile(png)).removeAlpha().raw().toBuffer({ resolveWithObject: true });
    const { width, height, scale, offsetX, offsetY } = overlayGeometry(ROWS, COLUMNS);
    assert.deepEqual([info.width, info.height], [width, height]);
    const coloured = (x: number, y: number): boolean => {
      const at = (y * info.width + x) * info.channels;
      return data[at]! - data[at + 2]! > 80;
    };
    for (const region of REGIONS) {
      const middleRow = Math.round((region.y + region.height / 2) * scale + offsetY);
      const columns = Array.from({ length: width }, (_, x) => x).filter((x) => coloured(x, middleRow));
      for (const edge of [region.x, region.x + region.width]) {
        const expected = edge * scale + offsetX;
        assert.ok(columns.some((x) => Math.abs(x + 0.5 - expected) <= 1.5), `no edge at column ${expected}: ${columns.join(' ')}`);
      }
      const middleColumn = Math.round((region.x + region.width / 2) * scale + offsetX);
      const rows = Array.from({ length: height }, (_, y) => y).filter((y) => coloured(middleColumn, y));
      for (const edge of [region.y, region.y + region.height]) {
        const expected = edge * scale + offsetY;
        assert.ok(rows.some((y) => Math.abs(y + 0.5 - expected) <= 1.5), `no edge at row ${expected}: ${rows.join(' ')}`);
      }
    }
  });
});

/** PixelMed's wrapper does not know that Java 17 bounds XPath; these properties lift the bounds. */
async function pixelmed(path: string): Promise<string> {
  if (!existsSync(PIXELMED)) throw new Error(`${PIXELMED} is missing, and the peer tests need it: apt-get install pixelmed-apps`);
  const limits = ['TotalOp', 'ExprOp', 'ExprGrp'].map((name) => `-Djdk.xml.xpath${name}Limit=0`);
  const args = [...limits, '-cp', PIXELMED, 'com.pixelmed.validate.DicomSRValidator', path];
  const { stdout, stderr } = await promisify(execFile)('java', args, { timeout: 110_000, maxBuffer: 16 * 1024 * 1024 });
  return stdout + stderr;
}
