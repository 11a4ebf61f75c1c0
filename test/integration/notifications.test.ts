// What peers tell of studies and want to be told: procedure steps, available instances, storage commitment in both directions.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { settingsSchema } from '../../config/settings.ts';
import { AVAILABILITY_STATUS, INSTANCE_AVAILABILITY } from '../../gateway/dimse/instance-availability-scp.ts';
import type { Association } from '../../gateway/dimse/association.ts';
import { COMMAND, RESPONSE_BIT, type Command } from '../../gateway/dimse/command.ts';
import { exchange } from '../../gateway/dimse/exchange.ts';
import { readIdentifier, writeIdentifier } from '../../gateway/dimse/identifier.ts';
import { PERFORMED_PROCEDURE_STEP, PROCEDURE_STEP_STATUS } from '../../gateway/dimse/procedure-step-scp.ts';
import { requestAssociation } from '../../gateway/dimse/requestor.ts';
import { startDimseServer, type DimseServer } from '../../gateway/dimse/server.ts';
import { COMMITMENT_STATUS, storageCommitmentService } from '../../gateway/dimse/storage-commitment-scp.ts';
import { commitmentAction, commitmentEvent, parseCommitmentEvent, REQUEST_COMMITMENT, STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE, type CommitmentAnswer } from '../../gateway/dimse/storage-commitment.ts';
import type { InstanceReference } from '../../storage/commitments.repository.ts';
import { dataset } from '../../storage/dicom/dataset.ts';
import { deriveUid } from '../../storage/dicom/uids.ts';
import { silent } from '../support/dimse.ts';
import { cStore, phantomFile, startTestGateway, studyOf, temporaryFolder, waitFor, waitForDelivery, type SentFile, type TestGateway } from '../support/gateway.ts';

const EXPLICIT = '1.2.840.10008.1.2.1';
/** A quiet period that no test waits for. */
const LONG_SECONDS = 3600;

describe('what peers tell of studies', function () {
  this.timeout(60_000);
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let archive: DimseServer;
  let waiting: DimseServer;
  let gateway: TestGateway;
  /** What the archive is asked to answer for. */
  const asked: { transactionUid: string; instances: InstanceReference[] }[] = [];
  /** What the gateway answers to us. */
  const answers: CommitmentAnswer[] = [];

  before(async () => {
    folder = await temporaryFolder();
    archive = await startPeer('ARCHIVE');
    waiting = await startPeer('WAITS');
    const port = archive.port;
    gateway = await startTestGateway(join(folder.path, 'home'), {
      peers: [
        { name: 'archive', aeTitle: 'ARCHIVE', host: '127.0.0.1', port },
        { name: 'patient', aeTitle: 'WAITS', host: '127.0.0.1', port: waiting.port, commitmentReport: 'same-association' },
      ],
      destinations: [
        { name: 'committing', type: 'dimse', peer: 'archive', commitment: {}, retry: { firstSeconds: 0.1, maxSeconds: 1 } },
      ],
      routes: [
        { name: 'quick', when: { Modality: ['DX'] }, completeAfterSeconds: 0.2, models: ['opacity'], deliver: [{ to: 'committing' }] },
        { name: 'slow', when: { Modality: ['CR'] }, completeAfterSeconds: LONG_SECONDS, models: ['opacity'] },
      ],
    });
  });
  after(async () => {
    await gateway?.stop();
    await Promise.all([archive?.drain(), waiting?.drain()]);
    await folder.remove();
  });

  const startPeer = (aeTitle: string): Promise<DimseServer> =>
    startDimseServer({
      settings: settingsSchema.parse({ dimse: { port: 0, aeTitle } }),
      receiver: { receive: async (source) => void (await Array.fromAsync(source)) },
      services: [
        storageCommitmentService({
          repository: { receive: async ({ transactionUid, instances }) => (asked.push({ transactionUid, instances }), 'id') },
          accepted: async () => {},
          answered: async (answer) => void answers.push(answer),
        }),
      ],
      log: silent,
    });

  async function associate(abstractSyntax: string, callingAe = 'MODALITY', asProvider = false): Promise<Association> {
    return requestAssociation({
      remote: { host: '127.0.0.1', port: gateway.dimsePort!, calledAe: 'HILUM', callingAe },
      contexts: [{ abstractSyntax, transferSyntaxes: [EXPLICIT] }],
      ...(asProvider && { roles: [{ abstractSyntax, scu: false, scp: true }] }),
      maxPduBytes: 65_536,
      timeoutMs: 10_000,
    });
  }

  /** One request on an association of its own. */
  async function ask(abstractSyntax: string, request: Partial<Command>, content: Record<string, unknown>, asProvider = false): Promise<Command & { status: number }> {
    const association = await associate(abstractSyntax, 'MODALITY', asProvider);
    const command = { commandField: 0, messageId: 1, hasDataset: true, ...request };
    const response = await exchange(association, 1, command, writeIdentifier(dataset(content), EXPLICIT));
    await association.release();
    return response;
  }

  const intakeOf = async (image: SentFile): Promise<string | undefined> => (await studyOf(gateway.api, image.studyInstanceUid))?.intake;
  const send = async (...images: SentFile[]): Promise<void> => {
    for (const outcome of await cStore(gateway.dimsePort!, images)) assert.equal(outcome.status, 'delivered');
    for (const image of images)
      await waitFor(async () => (await studyOf(gateway.api, image.studyInstanceUid))?.instances.some(({ sopInstanceUid }) => sopInstanceUid === image.sopInstanceUid), 'the image in the index');
  };
  const reference = ({ sopClassUid, sopInstanceUid }: InstanceReference): Record<string, unknown> => ({ ReferencedSOPClassUID: sopClassUid, ReferencedSOPInstanceUID: sopInstanceUid });

  describe('a modality performed procedure step', () => {
    const begin = (uid: string, image: SentFile, status = 'IN PROGRESS') =>
      ask(PERFORMED_PROCEDURE_STEP, { commandField: COMMAND.nCreateRq, affectedSopClassUid: PERFORMED_PROCEDURE_STEP, affectedSopInstanceUid: uid }, {
        PerformedProcedureStepStatus: status,
        ScheduledStepAttributesSequence: [{ StudyInstanceUID: image.studyInstanceUid }],
        Modality: 'CR',
      });
    const end = (uid: string, status: string, images: SentFile[]) =>
      ask(PERFORMED_PROCEDURE_STEP, { commandField: COMMAND.nSetRq, requestedSopClassUid: PERFORMED_PROCEDURE_STEP, requestedSopInstanceUid: uid }, {
        PerformedProcedureStepStatus: status,
        PerformedSeriesSequence: [{ SeriesInstanceUID: '2.25.9', ReferencedImageSequence: images.map(reference) }],
      });

    it('ends the quiet period of its study when it is completed and all its images are here', async () => {
      const image = await phantomFile(folder.path, { seed: 31, patientId: 'MPPS1' });
      assert.equal((await begin('2.25.3101', image)).status, 0);
      await send(image);
      assert.equal(await intakeOf(image), 'receiving');
      assert.equal((await end('2.25.3101', 'COMPLETED', [image])).status, 0);
      await waitFor(async () => (await intakeOf(image)) === 'complete', 'the study to be complete');
    });

    it('waits for the images that are not here yet, for other steps, and for images that no step told of', async () => {
      const spec = { patientId: 'MPPS2', studyInstanceUid: '2.25.3200', seriesInstanceUid: '2.25.3201' };
      const [first, second, untold] = await Promise.all([32, 33, 34].map((seed) => phantomFile(folder.path, { ...spec, seed, sopInstanceUid: `2.25.32${seed}` }))) as [SentFile, SentFile, SentFile];
      await begin('2.25.3202', first);
      await begin('2.25.3203', second);
      await send(first);
      await end('2.25.3202', 'COMPLETED', [first]);
      assert.equal(await intakeOf(first), 'receiving', 'the other step is in progress');
      await end('2.25.3203', 'COMPLETED', [second]);
      assert.equal(await intakeOf(first), 'receiving', 'an image of the other step is not here');
      await send(untold);
      await send(second);
      assert.equal(await intakeOf(first), 'receiving', 'no step told of one of the images');
      await begin('2.25.3204', untold);
      await end('2.25.3204', 'COMPLETED', [untold]);
      await waitFor(async () => (await intakeOf(first)) === 'complete', 'the study to be complete');
    });

    it('changes nothing when it is discontinued', async () => {
      const image = await phantomFile(folder.path, { seed: 35, patientId: 'MPPS3' });
      await begin('2.25.3501', image);
      await send(image);
      assert.equal((await end('2.25.3501', 'DISCONTINUED', [image])).status, 0);
      assert.equal(await intakeOf(image), 'receiving');
    });

    it('is refused with the reason where it cannot be', async () => {
      const image = await phantomFile(folder.path, { seed: 36, patientId: 'MPPS4' });
      const { invalidValue, duplicate, noSuchInstance, processingFailure, missingAttribute } = PROCEDURE_STEP_STATUS;
      const late = await begin('2.25.3601', image, 'COMPLETED');
      assert.deepEqual([late.status, late.errorComment], [invalidValue, 'Performed Procedure Step Status is "COMPLETED", not IN PROGRESS']);
      assert.equal((await begin('2.25.3602', image)).status, 0);
      assert.equal((await begin('2.25.3602', image)).status, duplicate);
      assert.equal((await end('2.25.3603', 'COMPLETED', [])).status, noSuchInstance);
      assert.equal((await end('2.25.3602', 'DONE', [])).status, invalidValue);
      assert.equal((await end('2.25.3602', 'COMPLETED', [image])).status, 0);
      const again = await end('2.25.3602', 'COMPLETED', [image]);
      assert.deepEqual([again.status, again.errorId], [processingFailure, 0xa710]);
      const nameless = await ask(PERFORMED_PROCEDURE_STEP, { commandField: COMMAND.nCreateRq, affectedSopClassUid: PERFORMED_PROCEDURE_STEP, affectedSopInstanceUid: '2.25.3604' }, { PerformedProcedureStepStatus: 'IN PROGRESS' });
      assert.equal(nameless.status, missingAttribute);
    });

    it('gets a UID where its modality gives none', async () => {
      const image = await phantomFile(folder.path, { seed: 37, patientId: 'MPPS5' });
      const { status, affectedSopInstanceUid } = await begin('', image);
      assert.equal(status, 0);
      assert.match(affectedSopInstanceUid ?? '', /^2\.25\.\d+$/);
      assert.equal((await end(affectedSopInstanceUid!, 'DISCONTINUED', [])).status, 0);
    });
  });

  describe('a notification of available instances', () => {
    it('ends the quiet period when the last instance that it names comes', async () => {
      const spec = { patientId: 'IAN1', studyInstanceUid: '2.25.4100', seriesInstanceUid: '2.25.4101' };
      const [first, second] = await Promise.all([41, 42].map((seed) => phantomFile(folder.path, { ...spec, seed, sopInstanceUid: `2.25.41${seed}` }))) as [SentFile, SentFile];
      await send(first);
      const content = {
        StudyInstanceUID: first.studyInstanceUid,
        ReferencedSeriesSequence: [{ SeriesInstanceUID: '2.25.4101', ReferencedSOPSequence: [first, second].map((image) => ({ ...reference(image), InstanceAvailability: 'ONLINE', RetrieveAETitle: 'PACS' })) }],
      };
      const { status } = await ask(INSTANCE_AVAILABILITY, { commandField: COMMAND.nCreateRq, affectedSopClassUid: INSTANCE_AVAILABILITY, affectedSopInstanceUid: '2.25.4102' }, content);
      assert.equal(status, 0);
      assert.equal(await intakeOf(first), 'receiving');
      await send(second);
      await waitFor(async () => (await intakeOf(first)) === 'complete', 'the study to be complete');
    });

    it('is refused without a study or instances', async () => {
      const { status, errorComment } = await ask(INSTANCE_AVAILABILITY, { commandField: COMMAND.nCreateRq, affectedSopClassUid: INSTANCE_AVAILABILITY, affectedSopInstanceUid: '2.25.4103' }, { ReferencedSeriesSequence: [] });
      assert.deepEqual([status, errorComment], [AVAILABILITY_STATUS.missingAttribute, 'Study Instance UID is missing or not a UID']);
    });
  });

  describe('storage commitment that is asked of the gateway', () => {
    const action = { commandField: COMMAND.nActionRq, messageId: 1, requestedSopClassUid: STORAGE_COMMITMENT, requestedSopInstanceUid: STORAGE_COMMITMENT_INSTANCE, actionTypeId: REQUEST_COMMITMENT, hasDataset: true };
    let image: SentFile;
    const unknown = { sopClassUid: '1.2.840.10008.5.1.4.1.1.1', sopInstanceUid: '2.25.5199' };

    before(async () => {
      image = await phantomFile(folder.path, { seed: 51, patientId: 'COMMIT1' });
      await send(image);
    });

    const requested = async (callingAe: string, transactionUid: string, instances: InstanceReference[]): Promise<number> => {
      const association = await associate(STORAGE_COMMITMENT, callingAe);
      const { status } = await exchange(association, 1, action, writeIdentifier(commitmentAction(transactionUid, instances), EXPLICIT));
      await association.release();
      return status;
    };
    const answered = (transactionUid: string): Promise<CommitmentAnswer> => waitFor(async () => answers.find((answer) => answer.transactionUid === transactionUid), 'the commitment report');

    it('is answered on an association of its own: what is kept, and what is not and why', async () => {
      assert.equal(await requested('ARCHIVE', '2.25.5101', [image]), 0);
      const kept = await answered('2.25.5101');
      assert.deepEqual([kept.committed.map(({ sopInstanceUid }) => sopInstanceUid), kept.failed], [[image.sopInstanceUid], []]);
      const otherClass = { sopClassUid: '1.2.840.10008.5.1.4.1.1.7', sopInstanceUid: image.sopInstanceUid };
      assert.equal(await requested('ARCHIVE', '2.25.5102', [image, unknown, otherClass]), 0);
      const partly = await answered('2.25.5102');
      assert.deepEqual(partly.failed, [{ ...unknown, reason: 0x0112 }, { ...otherClass, reason: 0x0119 }]);
      assert.equal(partly.committed.length, 1);
    });

    it('is answered on its own association for a caller that waits there', async () => {
      const association = await associate(STORAGE_COMMITMENT, 'WAITS');
      assert.equal((await exchange(association, 1, action, writeIdentifier(commitmentAction('2.25.5103', [image]), EXPLICIT))).status, 0);
      const event = await association.receive();
      assert.equal(event?.command.commandField, COMMAND.nEventReportRq);
      assert.equal(event.command.eventTypeId, 1);
      const { committed } = parseCommitmentEvent(await readIdentifier(event.dataset!, EXPLICIT));
      assert.deepEqual(committed.map(({ sopInstanceUid }) => sopInstanceUid), [image.sopInstanceUid]);
      await association.send(1, { commandField: COMMAND.nEventReportRq | RESPONSE_BIT, messageIdBeingRespondedTo: event.command.messageId!, affectedSopClassUid: STORAGE_COMMITMENT, status: 0, hasDataset: false });
      await association.release();
    });

    it('is answered by a call where the caller did not wait after all', async () => {
      const instances = [image, unknown]; // the unknown one takes a moment, in which the caller goes
      assert.equal(await requested('WAITS', '2.25.5104', instances), 0);
      assert.equal((await answered('2.25.5104')).committed.length, 1);
    });

    it('is refused with a transaction UID that was used, another action, or nothing to commit', async () => {
      assert.equal(await requested('ARCHIVE', '2.25.5105', [image]), 0);
      assert.equal(await requested('ARCHIVE', '2.25.5105', [image]), COMMITMENT_STATUS.invalidArgument);
      assert.equal(await requested('ARCHIVE', '2.25.5106', []), COMMITMENT_STATUS.invalidArgument);
      const other = await ask(STORAGE_COMMITMENT, { ...action, actionTypeId: 7 }, { TransactionUID: '2.25.5107' });
      assert.equal(other.status, COMMITMENT_STATUS.noSuchAction);
    });
  });

  it('storage commitment is asked of a destination; what it does not keep is sent again, under a new transaction', async () => {
    const image = await phantomFile(folder.path, { seed: 61, patientId: 'COMMIT2', modality: 'DX' });
    await send(image);
    const { results } = await waitForDelivery(gateway.api, image.studyInstanceUid);
    const ours = results.filter(({ alternativeTo }) => !alternativeTo).map(({ sopInstanceUid }) => sopInstanceUid);
    const report = async (answer: CommitmentAnswer): Promise<number> => {
      const request = { commandField: COMMAND.nEventReportRq, affectedSopClassUid: STORAGE_COMMITMENT, affectedSopInstanceUid: STORAGE_COMMITMENT_INSTANCE, eventTypeId: answer.failed.length > 0 ? 2 : 1 };
      const association = await associate(STORAGE_COMMITMENT, 'ARCHIVE', true);
      const { status } = await exchange(association, 1, { ...request, messageId: 1, hasDataset: true }, writeIdentifier(commitmentEvent(answer, 'ARCHIVE'), EXPLICIT));
      await association.release();
      return status;
    };
    /** Tells that all of these transactions are kept, but for what is lost. */
    const answerAll = async (transactions: typeof asked, lost?: string): Promise<void> => {
      for (const { transactionUid, instances } of transactions) {
        const committed = instances.filter(({ sopInstanceUid }) => sopInstanceUid !== lost);
        const failed = instances.filter(({ sopInstanceUid }) => sopInstanceUid === lost).map((instance) => ({ ...instance, reason: 0x0112 }));
        assert.equal(await report({ transactionUid, committed, failed }), 0);
      }
    };
    const commitments = async (): Promise<string> => (await studyOf(gateway.api, image.studyInstanceUid))!.deliveries.map(({ commitment }) => commitment).join(' ');
    const askedFor = (): string[] => asked.flatMap(({ instances }) => instances.map(({ sopInstanceUid }) => sopInstanceUid));

    await waitFor(async () => ours.every((uid) => askedFor().includes(uid)), 'a commitment request for each result');
    const first = asked.splice(0);
    const lost = ours[0]!;
    await answerAll(first, lost);
    await waitFor(async () => askedFor().includes(lost), 'the lost result sent and asked for again');
    assert.deepEqual(askedFor(), [lost]);
    assert.ok(first.every(({ transactionUid }) => transactionUid !== asked[0]!.transactionUid));
    await answerAll(asked.splice(0));
    assert.equal(await commitments(), ours.map(() => 'committed').join(' '));
    assert.equal(await report({ transactionUid: deriveUid('2.25', 'not ours'), committed: [], failed: [] }), 0, 'what is not awaited is taken note of');
  });
});
