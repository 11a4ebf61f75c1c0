// IHE AI Workflow for Imaging, both ways: studies of routes as steps that can be watched, analyses that an orchestrator orders, and
// studies that a worker from outside takes.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { code, dataset, items, text, texts, type Dataset } from '../../storage/dicom/dataset.ts';
import { deriveUid } from '../../storage/dicom/uids.ts';
import { writePart10 } from '../../storage/dicom/write.ts';
import { dicomDateTime, WORKLIST_UID } from '../../storage/ups/step.ts';
import { cStore, describeFile, startTestGateway, studyOf, temporaryFolder, waitFor, waitForDelivery, type TestGateway, type Tree } from '../support/gateway.ts';
import { gridImage } from '../support/grid-image.ts';
import { modelPackage } from '../support/model-packages.ts';
import { stowRequest } from '../support/stow.ts';
import { newOrder, performed, UpsClient } from '../support/ups.ts';

const study = (name: string): string => deriveUid('2.25', 'test', 'ups analysis', name);
const TRANSACTION = '2.25.4712';

describe('AI workitems as Unified Procedure Steps', function () {
  this.timeout(120_000);
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let gateway: TestGateway;
  let client: UpsClient;
  let models: string[];
  let number = 0;

  const routes = [
    { name: 'chest', when: { Modality: ['CR'], BodyPartExamined: ['CHEST'] }, completeAfterSeconds: 0.5, models: ['first'], deliver: [{ to: 'folder' }] },
    { name: 'outside', when: { Modality: ['DX'] }, completeAfterSeconds: 0.3, worker: 'outside', models: ['first'], deliver: [{ to: 'folder' }] },
  ];

  before(async () => {
    folder = await temporaryFolder();
    models = [await modelPackage(folder.path, { name: 'first', kind: 'detection' }), await modelPackage(folder.path, { name: 'second', kind: 'classification' })];
    gateway = await startTestGateway(join(folder.path, 'home'), { models, routes });
    client = new UpsClient(gateway.api);
  });
  after(async () => {
    await gateway?.stop();
    await folder.remove();
  });

  /** Sends images of 4 x 4 cells, of which the sixth is bright. */
  async function send(name: string, changes: Tree = {}, images = 1, to = gateway): Promise<string> {
    const files = [];
    for (let index = 0; index < images; index++) {
      const path = join(folder.path, `${randomUUID()}.dcm`);
      const uids = { StudyInstanceUID: study(name), SeriesInstanceUID: `${study(name).slice(0, 60)}.1`, SOPInstanceUID: deriveUid('2.25', name, String(number++)) };
      await writeFile(path, gridImage({ frames: [[6]], changes: { ...uids, AccessionNumber: 'ACC7', ...changes } }));
      files.push(await describeFile(path));
    }
    for (const { status } of await cStore(to.dimsePort ?? 0, files)) assert.equal(status, 'delivered');
    return study(name);
  }

  const stepsOf = async (uid: string, api = client): Promise<Dataset[]> => api.search(`StudyInstanceUID=${uid}`);
  const uidOf = (step: Dataset | undefined): string => text(step ?? {}, 'SOPInstanceUID') ?? '';
  const outputsOf = (step: Dataset): Dataset[] => items(step, 'UnifiedProcedureStepPerformedProcedureSequence').flatMap((item) => items(item, 'OutputInformationSequence'));
  const reasonOf = (step: Dataset): string => text(items(step, 'ProcedureStepProgressInformationSequence')[0] ?? {}, 'ReasonForCancellation') ?? '';

  async function order(uid: string, names: string[] = [], values: Tree = {}): Promise<string> {
    const step = `2.25.81000${number++}`;
    assert.equal((await client.create(newOrder(uid, names, values), step)).status, 201);
    return step;
  }

  it('show a study from its first image to its results, with progress, and where the results can be had', async () => {
    await client.subscribe(WORKLIST_UID, 'WATCH');
    const watch = await client.listen('WATCH');
    const uid = await send('route', {}, 3);
    await waitForDelivery(gateway.api, uid);
    const [step, ...more] = await stepsOf(uid);
    assert.equal(more.length, 0);
    const events = await watch.wait(uidOf(step), 4);
    assert.equal(events[0], 'SCHEDULED INCOMPLETE');
    assert.equal(events[1], 'IN PROGRESS READY');
    assert.equal(events.at(-1), 'COMPLETED READY', String(events));
    assert.deepEqual(events.filter((event) => event.startsWith('progress')), events.filter((event) => event.startsWith('progress')).toSorted((a, b) => Number(a.slice(9)) - Number(b.slice(9))));
    assert.deepEqual([text(step!, 'ProcedureStepLabel'), text(step!, 'PatientID'), text(items(step!, 'ReferencedRequestSequence')[0] ?? {}, 'AccessionNumber')], ['AI: chest', 'GRID', 'ACC7']);
    assert.equal(items(items(step!, 'InputInformationSequence')[0] ?? {}, 'ReferencedSOPSequence').length, 3);
    const outputs = outputsOf(step!);
    assert.equal(outputs.length, 2);
    for (const output of outputs) {
      const url = text(items(output, 'WADORSRetrievalSequence')[0] ?? {}, 'RetrieveURL') ?? '';
      const response = await fetch(url, { headers: { accept: 'multipart/related; type="application/dicom"; transfer-syntax=*' } });
      assert.equal(response.status, 200, url);
      assert.equal((await response.text()).split('DICM').length - 1, items(output, 'ReferencedSOPSequence').length);
    }
    await watch.close();
    await client.send('DELETE', `/workitems/${WORKLIST_UID}/subscribers/WATCH`);
  });

  it('are not claimed, changed or canceled by others where the gateway performs them', async () => {
    const uid = await send('ours');
    const [step] = await waitFor(async () => {
      const found = await stepsOf(uid);
      return found.length > 0 && found;
    }, 'the step');
    assert.equal((await client.state(uidOf(step), 'IN PROGRESS', TRANSACTION)).status, 409);
    assert.equal((await client.update(uidOf(step), { ProcedureStepLabel: 'mine' })).status, 409);
    const refused = await client.send('POST', `/workitems/${uidOf(step)}/cancelrequest`);
    assert.equal(refused.status, 409);
    assert.match(refused.headers.get('warning') ?? '', /Performer chooses not to cancel|already COMPLETED/);
    await client.reached(uidOf(step), 'COMPLETED');
  });

  it('say why, where a study cannot be analysed: canceled, with the report as output', async () => {
    const uid = await send('unfit', { ViewPosition: 'LL', PhotometricInterpretation: 'RGB', SamplesPerPixel: 3 });
    const detail = await waitForDelivery(gateway.api, uid);
    assert.notEqual(detail.analysis, 'analyzed');
    const [step] = await stepsOf(uid);
    assert.equal(text(step!, 'ProcedureStepState'), 'CANCELED');
    assert.equal(reasonOf(step!), detail.reason);
    assert.equal(outputsOf(step!).length, 1);
  });

  describe('that are ordered', () => {
    it('analyse images that no route takes, with the model that the order names, and tell whoever watches', async () => {
      const uid = await send('thorax', { BodyPartExamined: 'THORAX' });
      await waitFor(async () => (await studyOf(gateway.api, uid))?.analysis === 'not-routed', 'the study');
      await client.subscribe(WORKLIST_UID, 'ORDERS');
      const watch = await client.listen('ORDERS');
      const ordered = await order(uid, ['second']);
      const step = await client.reached(ordered, 'COMPLETED');
      const events = await watch.wait(ordered, 4);
      assert.deepEqual(events.filter((event) => !event.startsWith('progress')), ['SCHEDULED READY', 'IN PROGRESS READY', 'COMPLETED READY']);
      const detail = await studyOf(gateway.api, uid);
      assert.deepEqual([detail?.analysis, detail?.positive, detail?.analyses.map(({ model }) => model.name)], ['analyzed', true, ['second']]);
      const made = detail?.results.filter(({ alternativeTo }) => alternativeTo === null).map(({ sopInstanceUid }) => sopInstanceUid);
      assert.deepEqual(outputsOf(step).flatMap((output) => items(output, 'ReferencedSOPSequence')).map((reference) => text(reference, 'ReferencedSOPInstanceUID')).toSorted(), made?.toSorted());
      assert.equal(text(items(step, 'InputInformationSequence')[0] ?? {}, 'StudyInstanceUID'), uid);
      await watch.close();
      await client.send('DELETE', `/workitems/${WORKLIST_UID}/subscribers/ORDERS`);
    });

    it('add another model to a study of a route, and take nothing of it back', async () => {
      const uid = await send('again');
      await waitForDelivery(gateway.api, uid);
      const step = await client.reached(await order(uid, ['second']), 'COMPLETED');
      const detail = await waitForDelivery(gateway.api, uid, 3);
      const reports = detail.results.filter(({ kind, current, alternativeTo }) => kind === 'structured-report' && current && alternativeTo === null);
      assert.deepEqual(reports.map(({ model }) => model.name).toSorted(), ['first', 'second']);
      assert.equal(detail.route, 'chest (ordered: second)');
      const names = items(step, 'UnifiedProcedureStepPerformedProcedureSequence').flatMap((item) => items(item, 'PerformedProcessingParametersSequence')).flatMap((item) => texts(item, 'TextValue'));
      assert.ok(names.includes('first') && names.includes('second'));
      // The same once more is there already.
      const before = detail.results.length;
      const same = await client.reached(await order(uid, ['second']), 'COMPLETED');
      assert.deepEqual(outputsOf(same).length, outputsOf(step).length);
      assert.equal((await studyOf(gateway.api, uid))?.results.length, before);
      // A late image is judged by both.
      await send('again');
      const grown = await waitFor(async () => {
        const found = await waitForDelivery(gateway.api, uid);
        return found.analyses.length === 4 && found.intake === 'complete' && found;
      }, 'the late image');
      assert.deepEqual(grown.results.filter(({ kind, current, alternativeTo }) => kind === 'structured-report' && current && alternativeTo === null).map(({ model }) => model.name).toSorted(), ['first', 'second']);
    });

    for (const [what, make, reason] of [
      ['a study that is not here', () => order('2.25.404'), /none of the images/],
      ['a model that is not here', async () => order(await send('no model'), ['third']), /there is no model "third" here/],
      ['nothing at all', () => order('', [], { InputInformationSequence: null }), /neither Input Information Sequence nor/],
      ['images that no route takes, by no model', async () => order(await send('no route', { BodyPartExamined: 'FOOT' })), /"chest" does not take BodyPartExamined "FOOT".*names no model/],
    ] as const)
      it(`are canceled with the reason, where they are of ${what}`, async () => {
        const step = await client.reached(await make(), 'CANCELED');
        assert.match(reasonOf(step), reason);
        assert.equal(items(items(step, 'ProcedureStepProgressInformationSequence')[0] ?? {}, 'ProcedureStepDiscontinuationReasonCodeSequence').length, 1);
      });

    it('fetch the study from the archive that their input names', async () => {
      const uid = await send('elsewhere');
      await waitForDelivery(gateway.api, uid);
      const url = `${gateway.api}/dicomweb`;
      const near = await startTestGateway(join(folder.path, 'near'), { models, routes, sources: [{ name: 'archive', type: 'dicomweb', url }] });
      try {
        const input = (address: string) => [dataset({ TypeOfInstances: 'DICOM', StudyInstanceUID: uid, WADORSRetrievalSequence: [dataset({ RetrieveURL: address })] })];
        const other = new UpsClient(near.api);
        await other.create(newOrder(uid, ['second'], { InputInformationSequence: input('https://nowhere.example/studies') }), '2.25.8200001');
        assert.match(reasonOf(await other.reached('2.25.8200001', 'CANCELED')), /none of the images/);
        await other.create(newOrder(uid, ['second'], { InputInformationSequence: input(`${url}/studies/${uid}`) }), '2.25.8200002');
        await other.reached('2.25.8200002', 'COMPLETED');
        assert.equal((await studyOf(near.api, uid))?.route, 'chest (ordered: second)');
      } finally {
        await near.stop();
      }
    });

    it('begin when they are scheduled to', async () => {
      const uid = await send('scheduled');
      await waitForDelivery(gateway.api, uid);
      const at = Date.now() + 1500;
      const ordered = await order(uid, [], { ScheduledProcedureStepStartDateTime: dicomDateTime(new Date(at)) });
      await client.reached(ordered, 'COMPLETED');
      assert.ok(Date.now() >= at);
    });

    it('wait until their input is ready', async () => {
      const uid = await send('later', { BodyPartExamined: 'THORAX' });
      const ordered = await order(uid, ['first'], { InputReadinessState: 'INCOMPLETE' });
      await waitFor(async () => (await studyOf(gateway.api, uid))?.intake === 'complete', 'the study');
      assert.equal(text(await client.step(ordered), 'ProcedureStepState'), 'SCHEDULED');
      assert.equal((await client.update(ordered, { InputReadinessState: 'READY' })).status, 200);
      await client.reached(ordered, 'COMPLETED');
    });
  });

  describe('of a route that is left to a worker from outside', () => {
    const report = (uid: string, sopInstanceUid: string, summary: [string, string], probability: number): Uint8Array =>
      writePart10(
        dataset({
          SOPClassUID: '1.2.840.10008.5.1.4.1.1.88.33',
          SOPInstanceUID: sopInstanceUid,
          StudyInstanceUID: uid,
          SeriesInstanceUID: `${sopInstanceUid}.1`,
          PatientID: 'GRID',
          PatientName: { Alphabetic: 'Grid^Image' },
          Modality: 'SR',
          Manufacturer: 'Acme',
          ManufacturerModelName: 'Acme Chest AI',
          SoftwareVersions: '7.1',
          ValueType: 'CONTAINER',
          ContentSequence: [
            dataset({ ValueType: 'CODE', ConceptNameCodeSequence: [code('111017', 'DCM', 'CAD Processing and Findings Summary')], ConceptCodeSequence: [code(summary[0], 'DCM', summary[1])] }),
            dataset({
              ValueType: 'CONTAINER',
              ContentSequence: [
                dataset({ ValueType: 'CODE', ConceptNameCodeSequence: [code('121071', 'DCM', 'Finding')], ConceptCodeSequence: [code('36118008', 'SCT', 'Pneumothorax')] }),
                dataset({ ValueType: 'NUM', ConceptNameCodeSequence: [code('122157', 'DCM', 'Probability')], MeasuredValueSequence: [dataset({ NumericValue: String(probability), MeasurementUnitsCodeSequence: [code('%', 'UCUM', 'Percent')] })] }),
              ],
            }),
          ],
        }),
      );

    const published = async (uid: string): Promise<Dataset> =>
      waitFor(async () => (await client.search(`StudyInstanceUID=${uid}&ProcedureStepState=SCHEDULED&InputReadinessState=READY`))[0], 'the published step');

    async function finish(step: string, outputs: Dataset[]): Promise<void> {
      const done = [performed({ OutputInformationSequence: outputs.length > 0 ? outputs : null })];
      assert.equal((await client.update(step, { UnifiedProcedureStepPerformedProcedureSequence: done }, TRANSACTION)).status, 200);
      assert.equal((await client.state(step, 'COMPLETED', TRANSACTION)).status, 200);
    }

    it('wait for that worker, give it the images, and take back what it stored: delivered, and on the worklist', async () => {
      const uid = await send('taken', { Modality: 'DX' }, 2);
      const step = await published(uid);
      assert.equal((await studyOf(gateway.api, uid))?.analyses.length, 0);
      assert.equal((await client.state(uidOf(step), 'IN PROGRESS', TRANSACTION)).status, 200);
      const [input] = items(step, 'InputInformationSequence');
      const images = await fetch(text(items(input ?? {}, 'WADORSRetrievalSequence')[0] ?? {}, 'RetrieveURL') ?? '', { headers: { accept: 'multipart/related; type="application/dicom"; transfer-syntax=*' } });
      assert.equal((await images.text()).split('DICM').length - 1, 2);
      const path = join(folder.path, 'outside.dcm');
      const sopInstanceUid = deriveUid('2.25', 'outside report');
      await writeFile(path, report(uid, sopInstanceUid, ['111242', 'All algorithms succeeded; with findings'], 83));
      assert.equal((await stowRequest(gateway.api, [path])).status, 200);
      await finish(uidOf(step), [dataset({ TypeOfInstances: 'DICOM', StudyInstanceUID: uid, SeriesInstanceUID: `${sopInstanceUid}.1`, ReferencedSOPSequence: [dataset({ ReferencedSOPClassUID: '1.2.840.10008.5.1.4.1.1.88.33', ReferencedSOPInstanceUID: sopInstanceUid })] })]);
      const detail = await waitFor(async () => {
        const found = await studyOf(gateway.api, uid);
        return found?.delivery === 'delivered' && found;
      }, 'the delivery');
      assert.deepEqual([detail.analysis, detail.positive, detail.probability, detail.finding], ['analyzed', true, 0.83, 'Pneumothorax']);
      assert.deepEqual(new Set(detail.analyses.map(({ model }) => `${model.name} ${model.version}`)), new Set(['Acme Chest AI 7.1']));
      assert.deepEqual([...new Set(detail.analyses.map((analysis) => 'threshold' in analysis && analysis.threshold))], [null]);
      assert.deepEqual(await readdir(join(gateway.home, 'out', uid)), [`${sopInstanceUid}.dcm`]);
      assert.deepEqual((await stepsOf(uid)).map((each) => text(each, 'ProcedureStepState')), ['COMPLETED']);
      // It is there once, for searches as for retrieves.
      const found = await fetch(`${gateway.api}/dicomweb/instances?SOPInstanceUID=${sopInstanceUid}`);
      assert.equal(((await found.json()) as Dataset[]).length, 1);
    });

    it('end the order of whoever asked for the same analysis, too', async () => {
      const uid = await send('both', { Modality: 'DX' });
      const step = await published(uid);
      const ordered = await order(uid);
      await waitFor(async () => (await client.search(`SOPInstanceUID=${ordered}`)).length === 1, 'the order');
      await client.subscribe(ordered, 'BOTH');
      const watch = await client.listen('BOTH');
      await client.state(uidOf(step), 'IN PROGRESS', TRANSACTION);
      const path = join(folder.path, 'both.dcm');
      const sopInstanceUid = deriveUid('2.25', 'report of both');
      await writeFile(path, report(uid, sopInstanceUid, ['111241', 'All algorithms succeeded; without findings'], 7));
      assert.equal((await stowRequest(gateway.api, [path])).status, 200);
      await finish(uidOf(step), [dataset({ TypeOfInstances: 'DICOM', StudyInstanceUID: uid, SeriesInstanceUID: `${sopInstanceUid}.1`, ReferencedSOPSequence: [dataset({ ReferencedSOPClassUID: '1.2.840.10008.5.1.4.1.1.88.33', ReferencedSOPInstanceUID: sopInstanceUid })] })]);
      const done = await client.reached(ordered, 'COMPLETED');
      assert.deepEqual(outputsOf(done).flatMap((output) => items(output, 'ReferencedSOPSequence')).map((reference) => text(reference, 'ReferencedSOPInstanceUID')), [sopInstanceUid]);
      assert.deepEqual((await watch.wait(ordered, 3)).filter((event) => !event.startsWith('progress')), ['SCHEDULED READY', 'IN PROGRESS READY', 'COMPLETED READY']);
      await watch.close();
    });

    it('stand as unknown, not as negative, where the worker says nothing that can be read', async () => {
      const uid = await send('mute', { Modality: 'DX' });
      const step = await published(uid);
      await client.state(uidOf(step), 'IN PROGRESS', TRANSACTION);
      await finish(uidOf(step), []);
      const detail = await waitFor(async () => {
        const found = await studyOf(gateway.api, uid);
        return found?.analysis !== 'waiting' && found;
      }, 'the outcome');
      assert.deepEqual([detail.analysis, detail.positive, detail.probability], ['failed', null, null]);
      assert.match(detail.reason ?? '', /A worker analysed the study from outside and stored no object here/);
    });

    it('come back to our models when the worker gives them up: in a step that replaces its own', async () => {
      const uid = await send('given up', { Modality: 'DX' });
      const step = await published(uid);
      await client.state(uidOf(step), 'IN PROGRESS', TRANSACTION);
      const progress = dataset({ ProcedureStepCancellationDateTime: '20261120120000', ReasonForCancellation: 'out of memory', ProcedureStepDiscontinuationReasonCodeSequence: [code('110513', 'DCM', 'Discontinued for unspecified reason')] });
      await client.update(uidOf(step), { ProcedureStepProgressInformationSequence: [progress] }, TRANSACTION);
      assert.equal((await client.state(uidOf(step), 'CANCELED', TRANSACTION)).status, 200);
      const detail = await waitForDelivery(gateway.api, uid);
      assert.deepEqual([detail.analysis, detail.analyses[0]?.model.name], ['analyzed', 'first']);
      const steps = await stepsOf(uid);
      assert.deepEqual(steps.map((each) => text(each, 'ProcedureStepState')), ['CANCELED', 'COMPLETED']);
      assert.equal(text(items(steps[1]!, 'ReplacedProcedureStepSequence')[0] ?? {}, 'ReferencedSOPInstanceUID'), uidOf(step));
    });

    it('come back when a late image makes a new version of the study: the worker is told that its step is over', async () => {
      const uid = await send('grown', { Modality: 'DX' });
      const step = await published(uid);
      await client.state(uidOf(step), 'IN PROGRESS', TRANSACTION);
      await send('grown', { Modality: 'DX' });
      const next = await published(uid);
      assert.notEqual(uidOf(next), uidOf(step));
      assert.equal(items(items(next, 'InputInformationSequence')[0] ?? {}, 'ReferencedSOPSequence').length, 2);
      assert.match(reasonOf(await client.step(uidOf(step))), /next version/);
      assert.equal((await client.update(uidOf(step), { ProcedureStepLabel: 'x' }, TRANSACTION)).status, 409);
    });

    it('are reported as failed, or judged by our models, when nobody claims or ends them in time', async () => {
      for (const [otherwise, analysis] of [['fail', 'failed'], ['analyze', 'analyzed']] as const) {
        const hasty = await startTestGateway(join(folder.path, otherwise), { models, routes, ups: { outside: { claimMinutes: 0.015, finishMinutes: 0.02, otherwise } } });
        try {
          const other = new UpsClient(hasty.api);
          const unclaimed = await send(`unclaimed ${otherwise}`, { Modality: 'DX' }, 1, hasty);
          const detail = await waitForDelivery(hasty.api, unclaimed);
          assert.equal(detail.analysis, analysis);
          if (otherwise === 'fail') assert.match(detail.reason ?? '', /no worker from outside took the study/);
          assert.equal(detail.results.filter(({ kind, alternativeTo }) => kind === 'structured-report' && alternativeTo === null).length, 1);
          const asleep = await send(`asleep ${otherwise}`, { Modality: 'DX' }, 1, hasty);
          const step = await waitFor(async () => (await other.search(`StudyInstanceUID=${asleep}&InputReadinessState=READY`))[0], 'the step');
          assert.equal((await other.state(uidOf(step), 'IN PROGRESS', TRANSACTION)).status, 200);
          assert.equal((await waitForDelivery(hasty.api, asleep)).analysis, analysis);
          const [first] = await stepsOf(asleep, other);
          assert.deepEqual([text(first!, 'ProcedureStepState'), /did not finish/.test(reasonOf(first!))], ['CANCELED', true]);
        } finally {
          await hasty.stop();
        }
      }
    });
  });
});
