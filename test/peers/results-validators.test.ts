// Our results before the judges that others trust: dicom3tools' dciodvfy, PixelMed's DicomSRValidator, DCMTK's readers.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AnalysisOutcome, Region } from '../../ai/analysis.ts';
import { phantomDicom, type PhantomDicomSpec } from '../../ai/phantom/dicom.ts';
import type { EncodedResult, OutcomeImage, StudyOutcome } from '../../ai/results/outcome.ts';
import { encodeOverlays } from '../../ai/results/overlay.ts';
import { COMPREHENSIVE_3D_SR, encodeReport } from '../../ai/results/structured-report.ts';
import { text } from '../../storage/dicom/dataset.ts';
import { readPart10 } from '../../storage/dicom/part10.ts';
import { runTool } from '../support/peers.ts';
import { BACTERIAL, TYPE_LABELS, MEASURED, NOTHING_FOUND, NOT_MEASURED, analyzed, studyOutcome } from '../support/results.ts';
import { assertBoxesDrawn, assertValidIod, assertValidTemplate } from '../support/validators.ts';

const REGIONS: Region[] = [
  { x: 180, y: 520, width: 210, height: 260, label: 'opacity', score: 0.91, trackingUid: '2.25.501' },
  { x: 640.5, y: 300.25, width: 170, height: 190, label: 'opacity', score: 0.443, trackingUid: '2.25.502' },
];
const COLUMNS = 1024;
const ROWS = 1100;
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
      analyzedAt: '2026-11-20T13:12:05.123Z',
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
    'extent of the opacity measured in one image, not in another': async () =>
      studyOutcome([await image(analyzed({ regions: REGIONS, severity: MEASURED })), await image(analyzed({ regions: REGIONS, severity: NOT_MEASURED }))]),
    'found but not located': async () => studyOutcome([await image(analyzed({ regions: [] }))]),
    'nothing found, second version': async () => studyOutcome([await image(NOTHING_FOUND)], { predecessor, version: 2 }),
    'one of two findings told apart': async () =>
      studyOutcome([await image(BACTERIAL), await image({ ...BACTERIAL, probability: 0.3, positive: false, regions: [] })], { labels: TYPE_LABELS }),
    'nothing to analyse': async () => studyOutcome([await image(NOT_ANALYZABLE)], { reason }),
    failed: async () => studyOutcome([await image({ status: 'failed', reason: 'the analysis took longer than 60 s, twice' })]),
  };

  for (const [name, study] of Object.entries(studies)) {
    it(`dciodvfy finds no error in report and overlay: ${name}`, async () => {
      const outcome = await study();
      for (const result of [...encodeReport(outcome), ...(await encodeOverlays(outcome))]) {
        await assertValidIod(await written(result), name);
      }
    });

    // The two forms differ in their SOP class alone, and the validator needs ten seconds for each.
    it(`PixelMed's validator recognises TID 1500 and finds no error: ${name}`, async () => {
      const forms = encodeReport(await study());
      for (const result of name === 'failed' ? forms : forms.slice(0, 1)) {
        await assertValidTemplate(await written(result), name);
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
    await assertBoxesDrawn(await written(result!), join(folder, 'overlay.png'), REGIONS, ROWS, COLUMNS);
  });
});
