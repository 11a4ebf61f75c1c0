// Several models on one study through the whole gateway: who judges, who is left out, what is said of it, and what a candidate in
// the shadow must never do.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import type { ComparisonReport } from '../../gateway/comparison/comparison.ts';
import type { StudyDetail } from '../../gateway/worklist/worklist.ts';
import { items, text, type Dataset } from '../../storage/dicom/dataset.ts';
import { readPart10 } from '../../storage/dicom/part10.ts';
import { deriveUid } from '../../storage/dicom/uids.ts';
import { cStore, describeFile, startTestGateway, temporaryFolder, testSettings, waitFor, waitForDelivery, worklistOf, type TestGateway, type Tree } from '../support/gateway.ts';
import { gridImage } from '../support/grid-image.ts';
import { modelPackage } from '../support/model-packages.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const FAULTY = resolve(import.meta.dirname, '../fixtures/models/faulty');
const study = (name: string): string => deriveUid('2.25', 'test', 'several models', name);

describe('several models on one study', function () {
  this.timeout(180_000);
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let gateway: TestGateway;
  let home: string;
  let settings: Tree;

  before(async () => {
    folder = await temporaryFolder();
    const ages = (min: number, max: number) => ({ applicability: { modalities: ['CR', 'DX'], ageYears: { min, max } } });
    const models = await Promise.all([
      modelPackage(folder.path, { name: 'adults', kind: 'detection', changes: ages(16, 120) }),
      modelPackage(folder.path, { name: 'children', kind: 'types', changes: ages(1, 15) }),
      modelPackage(folder.path, { name: 'mask', kind: 'segmentation', changes: { operatingPoint: { threshold: 0.9, chosenFor: 'tests' } } }),
      // Undecided at twice the brightness: it misses the half bright cells that the models in use find.
      modelPackage(folder.path, { name: 'candidate', kind: 'classification', offset: 0.9 }),
    ]);
    home = join(folder.path, 'home');
    settings = {
      models: [...models, FAULTY],
      routes: [
        { name: 'by age', when: { Modality: ['CR'] }, completeAfterSeconds: 0.5, models: ['adults', 'children'], shadow: ['candidate', 'faulty'], deliver: [{ to: 'folder' }] },
        { name: 'together', when: { Modality: ['DX'] }, completeAfterSeconds: 0.5, models: ['adults', 'mask'], deliver: [{ to: 'folder' }] },
      ],
    };
    gateway = await startTestGateway(home, settings);
  });
  after(async () => {
    await gateway?.stop();
    await folder.remove();
  });

  interface Image {
    bright: number[];
    age?: string;
    modality?: string;
    /** Of the bright cells, 0 to 255. */
    brightness?: number;
    sopInstanceUid?: string;
  }

  /** Sends an image of 128 x 128, with cells of 32 x 32. */
  async function send(name: string, { bright, age, modality = 'CR', brightness = 250, sopInstanceUid = deriveUid('2.25', 'test', 'several models', name, 'image') }: Image): Promise<string> {
    const pixels = Uint8Array.from({ length: 128 * 128 }, (_, at) => (bright.includes(Math.floor((at % 128) / 32) + 4 * Math.floor(at / 4096)) ? brightness : 20 + (at % 3)));
    const path = join(folder.path, `${crypto.randomUUID()}.dcm`);
    const changes = { StudyInstanceUID: study(name), SeriesInstanceUID: `${study(name)}.1`.slice(0, 64), SOPInstanceUID: sopInstanceUid, Modality: modality, PatientAge: age, PixelData: Buffer.from(pixels) };
    await writeFile(path, gridImage({ columns: 128, rows: 128, changes }));
    const [outcome] = await cStore(gateway.dimsePort ?? 0, [await describeFile(path)]);
    assert.equal(outcome?.status, 'delivered');
    return study(name);
  }

  /** The current reports of a study, by the model that they are of. */
  async function reportsOf(detail: StudyDetail): Promise<Map<string, Dataset>> {
    const current = detail.results.filter(({ kind, alternativeTo, current }) => kind === 'structured-report' && !alternativeTo && current);
    const reports = current.map(async ({ model, sopInstanceUid }): Promise<[string, Dataset]> => [
      model.name,
      (await readPart10(join(home, 'out', detail.studyInstanceUid, `${sopInstanceUid}.dcm`))).dataset,
    ]);
    return new Map(await Promise.all(reports));
  }

  async function comparison(candidate: string): Promise<ComparisonReport | undefined> {
    const response = await fetch(`${gateway.api}/api/models/${candidate}/comparison`);
    return response.ok ? ((await response.json()) as ComparisonReport) : undefined;
  }

  const compared = (images: number): Promise<ComparisonReport> =>
    waitFor(async () => {
      const report = await comparison('candidate');
      return report !== undefined && report.comparisons.reduce((sum, each) => sum + each.images, 0) >= images && report;
    }, `the comparison of ${images} images`);

  it('are those that are meant for the age of the patient; who was left out, and why, is on record', async () => {
    const adult = await waitForDelivery(gateway.api, await send('adult', { bright: [6], age: '064Y' }));
    assert.deepEqual(adult.analyses.map(({ model }) => model.name), ['adults']);
    assert.deepEqual(adult.instances[0]?.leftOut, [{ model: { name: 'children', version: '1.0.0' }, reason: 'patient is 64 years old; the model is meant for ages of 1 to 15 years' }]);
    assert.deepEqual([adult.finding, adult.positive, adult.regions], ['Opacity', true, 1]);
    assert.deepEqual([...(await reportsOf(adult)).keys()], ['adults']);

    const child = await waitForDelivery(gateway.api, await send('child', { bright: [5], age: '007Y' }));
    assert.deepEqual(child.analyses.map(({ model }) => model.name), ['children']);
    assert.deepEqual([child.finding, child.sought, child.positive], ['Bacterial pneumonia', 'Bacterial pneumonia or viral pneumonia', true]);
    assert.deepEqual(child.instances[0]?.leftOut.map(({ model }) => model.name), ['adults']);
    const [[, report] = []] = await reportsOf(child);
    assert.ok(report && JSON.stringify(report).includes('53084003'));
    assert.equal(text(items(report, 'ContributingEquipmentSequence')[0] ?? {}, 'ManufacturerModelName'), 'children');
  });

  it('give the reason, each in its report, where none is meant for the age', async () => {
    const infant = await waitForDelivery(gateway.api, await send('infant', { bright: [6], age: '010D' }));
    assert.equal(infant.analysis, 'not-analyzable');
    assert.match(infant.reason ?? '', /^patient is 10 days old; the model is meant for ages of /);
    const reports = await reportsOf(infant);
    assert.deepEqual([...reports.keys()].toSorted(), ['adults', 'children']);
    for (const [model, report] of reports) assert.match(JSON.stringify(report), new RegExp(`10 days old; the model is meant for ages of ${model === 'adults' ? '16 to 120' : '1 to 15'}`));
  });

  it('judge together otherwise: each in a report and an overlay of its own, the study by the most urgent', async () => {
    // Bright enough for the boxes, at 0.5, and not for the mask, at 0.9.
    const detail = await waitForDelivery(gateway.api, await send('together', { bright: [6], brightness: 168, age: '064Y', modality: 'DX' }));
    assert.deepEqual(detail.analyses.map((analysis) => [analysis.model.name, analysis.status === 'analyzed' && analysis.positive]).toSorted(), [['adults', true], ['mask', false]]);
    const [boxes] = detail.analyses.filter(({ model }) => model.name === 'adults');
    assert.deepEqual([detail.positive, detail.threshold, detail.regions], [true, 0.5, 1]);
    assert.equal(detail.probability, boxes?.status === 'analyzed' ? boxes.probability : undefined);
    const reports = await reportsOf(detail);
    assert.equal(reports.size, 2);
    for (const [model, report] of reports) {
      const content = JSON.stringify(report);
      assert.equal(text(items(report, 'ContributingEquipmentSequence')[0] ?? {}, 'ManufacturerModelName'), model);
      assert.match(content, model === 'adults' ? /Opacity found in 1 of 1 image/ : /No opacity found in 1 image/);
      assert.doesNotMatch(content, new RegExp(`"${model === 'adults' ? 'mask' : 'adults'}"`));
    }
    const overlays = detail.results.filter(({ kind, current }) => kind === 'overlay' && current);
    assert.deepEqual(overlays.map(({ model }) => model.name).toSorted(), ['adults', 'mask']);
    const shown = overlays.find(({ sopInstanceUid }) => detail.overlay?.includes(sopInstanceUid));
    assert.equal(shown?.model.name, 'adults');
  });

  it('take back what they said when a changed image says that the patient is of another age', async () => {
    await waitForDelivery(gateway.api, await send('changed', { bright: [5], age: '007Y' }));
    const detail = await waitForDelivery(gateway.api, await send('changed', { bright: [6], age: '070Y' }), 3);
    const reports = await reportsOf(detail);
    assert.deepEqual([...reports.keys()].toSorted(), ['adults', 'children']);
    assert.match(JSON.stringify(reports.get('children')), /patient is 70 years old; the model is meant for ages of 1 to 15 years/);
    assert.equal(items(reports.get('children')!, 'PredecessorDocumentsSequence').length, 1);
    assert.equal(items(reports.get('adults')!, 'PredecessorDocumentsSequence').length, 0);
    assert.deepEqual([detail.finding, detail.analyses.map(({ model }) => model.name)], ['Opacity', ['adults']]);
  });

  describe('and a candidate in the shadow', () => {
    it('is compared with the models in use, image for image', async () => {
      const faint = await send('faint', { bright: [6], brightness: 190, age: '050Y' });
      await waitForDelivery(gateway.api, faint);
      await waitForDelivery(gateway.api, await send('nothing', { bright: [], age: '050Y' }));
      // Of the tests before: two adults (the child's first version is not current any more) and a child.
      const { comparisons } = await compared(5);
      const adults = comparisons.find(({ model }) => model.name === 'adults');
      assert.deepEqual(
        [adults?.images, adults?.bothPositive, adults?.onlyModelPositive, adults?.bothNegative, adults?.onlyCandidatePositive],
        [4, 2, 1, 1, 0],
      );
      assert.equal(adults?.agreement, 0.75);
      assert.equal(adults?.kappa, 0.5);
      assert.ok(adults.meanDifference! < 0 && adults.correlation! > 0);
      const [widest] = adults.differing;
      assert.equal(widest?.studyInstanceUid, faint);
      assert.deepEqual([widest.model.positive, widest.candidate.positive], [true, false]);
      assert.equal(comparisons.find(({ model }) => model.name === 'children')?.images, 1);
    });

    it('and who would judge a file are told before it is sent', async () => {
      const path = join(folder.path, 'adult.dcm');
      await writeFile(path, gridImage({ frames: [[6]] }));
      const config = join(folder.path, 'hilum.yaml');
      await writeFile(config, stringify(testSettings(home, settings)));
      const { stdout } = await promisify(execFile)(process.execPath, ['gateway/cli.ts', '--config', config, 'routes', 'test', path], { cwd: ROOT });
      assert.match(stdout, /"by age": adults \(without children: patient is 50 years old; [^)]*\), in the shadow candidate, faulty -> folder/);
    });

    it('is shown beside them to whoever asks on the command line', async () => {
      const config = join(folder.path, 'hilum.yaml');
      await writeFile(config, stringify(testSettings(home, settings)));
      const compare = (...args: string[]): Promise<string> =>
        promisify(execFile)(process.execPath, ['gateway/cli.ts', '--config', config, 'models', 'compare', ...args], { cwd: ROOT }).then(({ stdout }) => stdout);
      const words = await compare('candidate');
      assert.match(words, /candidate 1\.0\.0 beside adults 1\.0\.0\n {2}images +4, besides 1 that only the candidate could analyse/);
      assert.match(words, /kappa +0\.500/);
      assert.ok(words.includes(study('faint')));
      assert.deepEqual(JSON.parse(await compare('candidate', '--json')), await comparison('candidate'));
      await assert.rejects(compare('adults'), /no route has "adults" in its shadow/);
    });

    it('is in the metrics, and what no candidate has judged is not there', async () => {
      const metrics = await (await fetch(`${gateway.api}/metrics`)).text();
      assert.match(metrics, /hilum_shadow_agreement\{candidate="candidate",candidate_version="1\.0\.0",model="adults",model_version="1\.0\.0"\} 0\.75/);
      assert.match(metrics, /hilum_shadow_analyses_total\{model="candidate",status="analyzed"\} \d+/);
      assert.equal((await fetch(`${gateway.api}/api/models/adults/comparison`)).status, 404);
    });

    it('is never told of: not in the study, not in the worklist, not in what is sent', async () => {
      await compared(5);
      for (const { studyInstanceUid } of await worklistOf(gateway.api)) {
        const response = await fetch(`${gateway.api}/api/studies/${studyInstanceUid}`);
        assert.doesNotMatch(await response.text(), /candidate|faulty/);
        const sent = join(gateway.home, 'out', studyInstanceUid);
        for (const name of await readdir(sent)) assert.doesNotMatch(JSON.stringify((await readPart10(join(sent, name))).dataset), /candidate|faulty/);
      }
    });

    it('may fail without harm to anything', async () => {
      // A bright corner makes the run of the faulty model fail.
      const detail = await waitForDelivery(gateway.api, await send('corner', { bright: [0], age: '050Y' }));
      assert.deepEqual([detail.analysis, detail.positive], ['analyzed', true]);
      await waitFor(async () => /hilum_shadow_analyses_total\{model="faulty",status="failed"\} [1-9]/.test(await (await fetch(`${gateway.api}/metrics`)).text()), 'the failure in the shadow');
      assert.equal((await waitForDelivery(gateway.api, study('corner'))).results.length, detail.results.length);
    });

    it('takes over when the settings put it in use: a late image has it judge the whole study, and those before count no more', async () => {
      await gateway.stop();
      const route = { name: 'by age', when: { Modality: ['CR'] }, completeAfterSeconds: 0.5, models: ['candidate'], shadow: ['adults'], deliver: [{ to: 'folder' }] };
      gateway = await startTestGateway(home, { ...settings, routes: [route] });
      const late = { bright: [], age: '050Y', sopInstanceUid: deriveUid('2.25', 'test', 'several models', 'late') };
      const detail = await waitForDelivery(gateway.api, await send('faint', late), 2);
      assert.deepEqual(detail.analyses.map(({ model, status }) => [model.name, status]), [['candidate', 'analyzed'], ['candidate', 'analyzed']]);
      assert.deepEqual([detail.analysis, detail.positive, detail.regions], ['analyzed', false, 0]);
      assert.deepEqual([...(await reportsOf(detail)).keys()], ['candidate']);
      await waitFor(async () => (await comparison('adults'))?.comparisons.find(({ model, images }) => model.name === 'candidate' && images === 2), 'the model that was in use, in the shadow');
    });
  });
});
