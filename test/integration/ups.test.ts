// Unified Procedure Steps over HTTP and WebSocket, kept for others: the whole life of a step, who may do what to it, and who hears of it.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { code, dataset, items, text } from '../../storage/dicom/dataset.ts';
import { datasetXml, parseDatasetXml } from '../../storage/dicom/xml.ts';
import { WORKLIST_UID, FILTERED_WORKLIST_UID } from '../../storage/ups/step.ts';
import { startTestGateway, temporaryFolder, waitFor, type TestGateway } from '../support/gateway.ts';
import { newStep, performed, UpsClient } from '../support/ups.ts';

const TRANSACTION = '2.25.4711';

describe('UPS-RS', function () {
  this.timeout(60_000);
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let gateway: TestGateway;
  let client: UpsClient;
  let settings: Record<string, unknown>;
  let number = 0;
  const nextUid = (): string => `2.25.70000${++number}`;

  before(async () => {
    folder = await temporaryFolder();
    const tokenFile = join(folder.path, 'tokens');
    await writeFile(tokenFile, 'secret\n');
    settings = { http: { port: 0, auth: { tokenFile } } };
    gateway = await startTestGateway(join(folder.path, 'home'), settings);
    client = new UpsClient(gateway.api, { Authorization: 'Bearer secret' });
  });
  after(async () => {
    await gateway?.stop();
    await folder.remove();
  });

  async function created(values: Record<string, unknown> = {}): Promise<string> {
    const uid = nextUid();
    assert.equal((await client.create(newStep(values), uid)).status, 201);
    return uid;
  }

  async function claimed(values: Record<string, unknown> = {}): Promise<string> {
    const uid = await created(values);
    assert.equal((await client.state(uid, 'IN PROGRESS', TRANSACTION)).status, 200);
    return uid;
  }

  describe('create and retrieve', () => {
    it('answers 201 with the address at which the step is then found, in JSON and XML', async () => {
      const uid = nextUid();
      const response = await client.create(newStep(), uid);
      assert.equal(response.status, 201);
      assert.equal(response.headers.get('location'), `${gateway.api}/dicomweb/workitems/${uid}`);
      const step = await client.step(uid);
      assert.equal(text(step, 'SOPInstanceUID'), uid);
      assert.equal(text(step, 'SOPClassUID'), '1.2.840.10008.5.1.4.34.6.1');
      assert.match(text(step, 'ScheduledProcedureStepModificationDateTime') ?? '', /^\d{14}\.\d+\+0000$/);
      const xml = await client.send('GET', `/workitems/${uid}`, undefined, { Accept: 'application/dicom+xml' });
      assert.equal(xml.headers.get('content-type')?.split(';')[0], 'application/dicom+xml');
      assert.deepEqual(parseDatasetXml(await xml.text()), step);
    });

    it('takes a step as XML, in an array of one, with its UID in the body, and without any', async () => {
      const step = newStep({ PatientName: { Alphabetic: 'Yamada^Tarou', Ideographic: '山田^太郎' } });
      const asXml = await client.send('POST', '/workitems?workitem=2.25.710001', datasetXml(step), { 'Content-Type': 'application/dicom+xml' });
      assert.equal(asXml.status, 201);
      assert.deepEqual((await client.step('2.25.710001'))['00100010'], step['00100010']);
      const inBody = await client.send('POST', '/workitems', JSON.stringify([{ ...step, ...dataset({ AffectedSOPInstanceUID: '2.25.710002' }) }]));
      assert.equal(inBody.headers.get('location'), `${gateway.api}/dicomweb/workitems/2.25.710002`);
      assert.equal((await client.step('2.25.710002'))['00001000'], undefined);
      const given = await client.create(step);
      assert.match(given.headers.get('location') ?? '', /\/workitems\/2\.25\.\d+$/);
    });

    it('says every attribute that a step lacks or must not have, and refuses a UID that is taken', async () => {
      const incomplete = { ...newStep({ ProcedureStepState: 'IN PROGRESS', ScheduledProcedureStepPriority: 'URGENT' }) };
      delete incomplete['00741204'];
      delete incomplete['00100010'];
      const response = await client.create(incomplete, nextUid());
      assert.equal(response.status, 400);
      const { detail } = (await response.json()) as { detail: string };
      for (const what of ['ProcedureStepLabel must have a value', 'PatientName must be there', 'ProcedureStepState must be SCHEDULED', '"URGENT"']) assert.ok(detail.includes(what), detail);
      const uid = await created();
      assert.equal((await client.create(newStep(), uid)).status, 409);
    });

    it('names a worklist for a step without one, and says that it did', async () => {
      const uid = nextUid();
      const response = await client.create(newStep({ WorklistLabel: null }), uid);
      assert.match(response.headers.get('warning') ?? '', /^299 .*: The Workitem was created with modifications\.$/);
      assert.equal(text(await client.step(uid), 'WorklistLabel'), 'HILUM');
    });

    for (const [what, path, options, status] of [
      ['an unknown workitem', '/workitems/2.25.1', {}, 404],
      ['what is no UID', '/workitems/abc', {}, 400],
      ['a media type that is none of ours', '/workitems/2.25.1', { Accept: 'image/png' }, 406],
    ] as const)
      it(`answers ${status} to ${what}`, async () => {
        assert.equal((await client.send('GET', path, undefined, options)).status, status);
      });

    it('refuses bodies of another type, broken ones, and ones that are no dataset', async () => {
      assert.equal((await client.send('POST', '/workitems', 'x', { 'Content-Type': 'text/plain' })).status, 415);
      assert.equal((await client.send('POST', '/workitems', '{"0010')).status, 400);
      assert.equal((await client.send('POST', '/workitems', '{"PatientID": "x"}')).status, 400);
      assert.equal((await client.send('POST', '/workitems', '[{}, {}]')).status, 400);
    });
  });

  describe('the life of a step', () => {
    it('is claimed, reports its progress, and is completed by whoever has its Transaction UID, which nobody is told', async () => {
      const uid = await claimed();
      assert.equal((await client.update(uid, { ProcedureStepProgressInformationSequence: [dataset({ ProcedureStepProgress: 50 })] }, TRANSACTION)).status, 200);
      assert.equal((await client.update(uid, { UnifiedProcedureStepPerformedProcedureSequence: [performed()] }, TRANSACTION)).status, 200);
      assert.equal((await client.state(uid, 'COMPLETED', TRANSACTION)).status, 200);
      const step = await client.step(uid);
      assert.equal(text(step, 'ProcedureStepState'), 'COMPLETED');
      assert.equal(items(step, 'ProcedureStepProgressInformationSequence').length, 1);
      assert.ok(!JSON.stringify(step).includes(TRANSACTION));
      assert.deepEqual(await client.search(`TransactionUID=${TRANSACTION}`), []);
      const again = await client.state(uid, 'COMPLETED', TRANSACTION);
      assert.equal(again.status, 200);
      assert.match(again.headers.get('warning') ?? '', /already in the requested state of COMPLETED/);
    });

    it('is completed only when it says what was done, and canceled only when it says why', async () => {
      const uid = await claimed();
      const early = await client.state(uid, 'COMPLETED', TRANSACTION);
      assert.equal(early.status, 409);
      assert.match(((await early.json()) as { detail: string }).detail, /UnifiedProcedureStepPerformedProcedureSequence/);
      assert.equal((await client.state(uid, 'CANCELED', TRANSACTION)).status, 409);
      const progress = dataset({ ProcedureStepCancellationDateTime: '20261120120000', ProcedureStepDiscontinuationReasonCodeSequence: [code('110513', 'DCM', 'Discontinued for unspecified reason')] });
      assert.equal((await client.update(uid, { ProcedureStepProgressInformationSequence: [progress] }, TRANSACTION)).status, 200);
      assert.equal((await client.state(uid, 'CANCELED', TRANSACTION)).status, 200);
      assert.equal((await client.update(uid, { ProcedureStepLabel: 'late' }, TRANSACTION)).status, 409);
    });

    it('goes to one of two workers that claim it at once; the other is told 409', async () => {
      const uid = await created();
      const answers = await Promise.all(['2.25.11', '2.25.12', '2.25.13'].map((transaction) => client.state(uid, 'IN PROGRESS', transaction)));
      assert.deepEqual(answers.map(({ status }) => status).toSorted((a, b) => a - b), [200, 409, 409]);
      const lost = answers.find(({ status }) => status === 409);
      assert.match(lost?.headers.get('warning') ?? '', /The Transaction UID is incorrect/);
    });

    it('cannot be changed in progress without its Transaction UID, or by another one', async () => {
      const uid = await claimed();
      const without = await client.update(uid, { ProcedureStepLabel: 'mine' });
      assert.deepEqual([without.status, /is missing/.test(without.headers.get('warning') ?? '')], [409, true]);
      const wrong = await client.update(uid, { ProcedureStepLabel: 'mine' }, '2.25.9');
      assert.deepEqual([wrong.status, /is incorrect/.test(wrong.headers.get('warning') ?? '')], [409, true]);
      const missing = await client.send('PUT', `/workitems/${uid}/state`, dataset({ ProcedureStepState: 'COMPLETED' }));
      assert.deepEqual([missing.status, /is missing/.test(missing.headers.get('warning') ?? '')], [400, true]);
    });

    it('keeps whom it is of, whatever a change says', async () => {
      const uid = await created();
      const response = await client.update(uid, { PatientID: 'OTHER', ProcedureStepState: 'COMPLETED' });
      assert.equal(response.status, 400);
      assert.match(((await response.json()) as { detail: string }).detail, /PatientID cannot be changed; ProcedureStepState cannot be changed|ProcedureStepState cannot be changed; PatientID/);
      assert.equal((await client.update(uid, { ProcedureStepLabel: 'Renamed' })).status, 200);
      assert.equal(text(await client.step(uid), 'ProcedureStepLabel'), 'Renamed');
    });

    it('ends as canceled when that is asked for before anybody claimed it', async () => {
      const uid = await created();
      const response = await client.send('POST', `/workitems/${uid}/cancelrequest`, dataset({ ReasonForCancellation: 'ordered twice' }));
      assert.equal(response.status, 202);
      const step = await client.step(uid);
      assert.equal(text(step, 'ProcedureStepState'), 'CANCELED');
      assert.equal(text(items(step, 'ProcedureStepProgressInformationSequence')[0] ?? {}, 'ReasonForCancellation'), 'ordered twice');
      const again = await client.send('POST', `/workitems/${uid}/cancelrequest`);
      assert.deepEqual([again.status, /already in the requested state of CANCELED/.test(again.headers.get('warning') ?? '')], [202, true]);
    });

    it('is not canceled for its performer: that is told, where anybody listens', async () => {
      const uid = await claimed();
      const unheard = await client.send('POST', `/workitems/${uid}/cancelrequest`);
      assert.deepEqual([unheard.status, /cannot be contacted/.test(unheard.headers.get('warning') ?? '')], [409, true]);
      await client.subscribe(uid, 'PERFORMER');
      const subscriber = await client.listen('PERFORMER');
      assert.equal((await client.send('POST', `/workitems/${uid}/cancelrequest`, dataset({ ReasonForCancellation: 'wrong patient' }))).status, 202);
      assert.deepEqual(await subscriber.wait(uid, 2), ['IN PROGRESS READY', 'cancel requested: wrong patient']);
      assert.equal(text(await client.step(uid), 'ProcedureStepState'), 'IN PROGRESS');
      await subscriber.close();
    });
  });

  describe('search', () => {
    it('finds steps by state, name, code and time, in pages and in XML', async () => {
      const worklist = 'search tests';
      const codes = [code('A1', '99TEST', 'First'), code('B2', '99TEST', 'Second')];
      const uids: string[] = [];
      for (const [index, item] of [...codes, ...codes].entries())
        uids.push(await created({ WorklistLabel: worklist, PatientName: { Alphabetic: index === 0 ? 'Müller^Jörg' : 'Other^Person' }, ScheduledWorkitemCodeSequence: [item], ScheduledProcedureStepStartDateTime: `2026010${index + 1}120000` }));
      const found = async (query: string): Promise<number[]> => (await client.search(`WorklistLabel=search%20tests&${query}`)).map((step) => uids.indexOf(text(step, 'SOPInstanceUID') ?? ''));
      assert.deepEqual(await found(''), [0, 1, 2, 3]);
      assert.deepEqual(await found('PatientName=muller*'), [0]);
      assert.deepEqual(await found('ScheduledWorkitemCodeSequence.CodeValue=B2'), [1, 3]);
      assert.deepEqual(await found('ScheduledProcedureStepStartDateTime=20260102-20260103'), [1, 2]);
      assert.deepEqual(await found('00741000=SCHEDULED&limit=2&offset=1'), [1, 2]);
      await client.state(uids[2] ?? '', 'IN PROGRESS', TRANSACTION);
      assert.deepEqual(await found('ProcedureStepState=IN%20PROGRESS'), [2]);
      const cut = await client.send('GET', '/workitems?WorklistLabel=search%20tests&limit=3');
      assert.match(cut.headers.get('warning') ?? '', /additional results/);
      const xml = await client.send('GET', '/workitems?WorklistLabel=search%20tests', undefined, { Accept: 'multipart/related; type="application/dicom+xml"' });
      assert.equal((await xml.text()).split('<NativeDicomModel').length, 5);
    });

    it('refuses what it does not understand', async () => {
      assert.equal((await client.send('GET', '/workitems?ScheduledProcedureStepStartDateTime=yesterday')).status, 400);
      assert.equal((await client.send('GET', '/workitems?limit=-1')).status, 400);
    });
  });

  describe('events', () => {
    it('tell a subscriber of a step what happens to it, in order', async () => {
      const uid = await created();
      const answer = await client.subscribe(uid, 'ONE');
      assert.equal(answer.status, 201);
      assert.equal(answer.headers.get('content-location'), `${gateway.api.replace('http', 'ws')}/dicomweb/subscribers/ONE`);
      const subscriber = await client.listen('ONE');
      await client.state(uid, 'IN PROGRESS', TRANSACTION);
      for (const percent of [25, 50, 75]) await client.update(uid, { ProcedureStepProgressInformationSequence: [dataset({ ProcedureStepProgress: percent })] }, TRANSACTION);
      await client.update(uid, { UnifiedProcedureStepPerformedProcedureSequence: [performed()] }, TRANSACTION);
      await client.state(uid, 'COMPLETED', TRANSACTION);
      assert.deepEqual(await subscriber.wait(uid, 6), ['SCHEDULED READY', 'IN PROGRESS READY', 'progress 25', 'progress 50', 'progress 75', 'COMPLETED READY']);
      const [first] = subscriber.events;
      assert.equal(text(first ?? {}, 'AffectedSOPClassUID'), '1.2.840.10008.5.1.4.34.6.1');
      assert.equal(first?.['00000100']?.Value?.[0], 256);
      await subscriber.close();
    });

    it('of the whole worklist begin with each new step, and with who it is meant for; a filter lets through what meets it', async () => {
      await client.subscribe(WORKLIST_UID, 'ALL');
      assert.equal((await client.subscribe(FILTERED_WORKLIST_UID, 'SOME', '?filter=WorklistLabel=chosen,ScheduledProcedureStepPriority=HIGH')).status, 201);
      assert.equal((await client.subscribe(FILTERED_WORKLIST_UID, 'SOME')).status, 400);
      const [all, some] = await Promise.all([client.listen('ALL'), client.listen('SOME')]);
      const plain = await created();
      const chosen = await created({ WorklistLabel: 'chosen', ScheduledProcedureStepPriority: 'HIGH', ScheduledStationNameCodeSequence: [code('S', '99TEST', 'Station')] });
      assert.deepEqual(await all.wait(chosen, 2), ['SCHEDULED READY', 'assigned']);
      assert.deepEqual(all.of(plain), ['SCHEDULED READY']);
      await some.wait(chosen, 2);
      assert.deepEqual(some.of(plain), []);
      assert.equal((await client.send('POST', `/workitems/${WORKLIST_UID}/subscribers/ALL/suspend`)).status, 200);
      const later = await created();
      await client.state(chosen, 'IN PROGRESS', TRANSACTION);
      await all.wait(chosen, 3);
      assert.deepEqual(all.of(later), []);
      assert.equal((await client.send('DELETE', `/workitems/${WORKLIST_UID}/subscribers/ALL`)).status, 200);
      assert.equal((await client.send('DELETE', `/workitems/${WORKLIST_UID}/subscribers/ALL`)).status, 404);
      await Promise.all([all.close(), some.close()]);
    });

    it('miss no step that is created in the moment in which somebody subscribes', async () => {
      const [, ...uids] = await Promise.all([client.subscribe(WORKLIST_UID, 'RACE'), ...Array.from({ length: 20 }, () => created())]);
      const subscriber = await client.listen('RACE');
      await Promise.all(uids.map((uid) => client.state(uid, 'IN PROGRESS', TRANSACTION)));
      for (const uid of uids) await waitFor(async () => subscriber.of(uid).at(-1) === 'IN PROGRESS READY', `the claim of ${uid}`);
      await subscriber.close();
      await client.send('DELETE', `/workitems/${WORKLIST_UID}/subscribers/RACE`);
    });

    it('wait for a subscriber that is away, and its subscription outlives a restart', async () => {
      const uid = await created();
      await client.subscribe(uid, 'AWAY');
      const first = await client.listen('AWAY');
      await first.wait(uid, 1);
      await first.close();
      await client.state(uid, 'IN PROGRESS', TRANSACTION);
      const open = await client.listen('AWAY');
      assert.deepEqual(await open.wait(uid, 1), ['IN PROGRESS READY']);
      const closed = open.closed;
      await gateway.stop();
      assert.equal(await closed, 1001);
      assert.ok(open.of(WORKLIST_UID).includes('SCP GOING DOWN'));
      gateway = await startTestGateway(join(folder.path, 'home'), settings);
      client = new UpsClient(gateway.api, { Authorization: 'Bearer secret' });
      await client.update(uid, { ProcedureStepProgressInformationSequence: [dataset({ ProcedureStepProgress: 10 })] }, TRANSACTION);
      const back = await client.listen('AWAY');
      assert.deepEqual(await back.wait(uid, 1), ['progress 10']);
      assert.deepEqual(back.of(WORKLIST_UID), ['SCP RESTARTED']);
      await back.close();
    });

    it('need the same token as everything else, and an upgrade', async () => {
      await assert.rejects(new UpsClient(gateway.api).listen('ONE'), /401/);
      await assert.rejects(client.listen('TOO-LONG-FOR-AN-AE-TITLE'), /400/);
      assert.equal((await client.send('GET', '/subscribers/ONE')).status, 426);
      assert.equal((await client.subscribe('2.25.1', 'ONE')).status, 404);
    });
  });
});
