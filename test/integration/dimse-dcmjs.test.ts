// An implementation of DIMSE that is not ours, dcmjs-dimse, on the other side of the wire: its client sends to our server, and we
// send to its server. It parses and writes datasets anew, so that they are compared by element, and pixel data by byte.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { AddressInfo, Server as NetServer } from 'node:net';
import { join } from 'node:path';
import dcmjsDimse from 'dcmjs-dimse';
import type { Client as ClientType, association as associations, requests as requestTypes, responses as responseTypes } from 'dcmjs-dimse';
import { phantomDicom } from '../../ai/phantom/dicom.ts';
import { DimseDestination } from '../../gateway/delivery/destinations/dimse.ts';
import { echo } from '../../gateway/dimse/echo-scu.ts';
import { IntakeRefusal } from '../../storage/errors.ts';
import { parsePart10, readPart10, type Part10 } from '../../storage/dicom/part10.ts';
import { TRANSFER_SYNTAXES } from '../../storage/dicom/uids.ts';
import { silent, startTestServer } from '../support/dimse.ts';
import { COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR, outcomesOf, ResultFolder, SECONDARY_CAPTURE } from '../support/results-on-disk.ts';

const { Client, Scp, Server, log, requests, responses, constants } = dcmjsDimse;
type Association = associations.Association;
type StoreRequest = requestTypes.CStoreRequest;
type EchoRequest = requestTypes.CEchoRequest;

/** Its own log, and that of the dcmjs below it, which speaks of the VR of pixel data as an error. */
const { log: dcmjsLog } = createRequire(import.meta.resolve('dcmjs-dimse'))('dcmjs') as { log: { getLogger(name: string): typeof log } };
const LOGS = [log, dcmjsLog.getLogger('validation.dcmjs')];

const IMPLICIT = '1.2.840.10008.1.2';
const EXPLICIT = '1.2.840.10008.1.2.1';
/** RLE, JPEG lossless, JPEG-LS, JPEG 2000 beside the two; of uncompressed data its client proposes Implicit VR first, and so sends that. */
const SYNTAXES = [IMPLICIT, EXPLICIT, '1.2.840.10008.1.2.5', '1.2.840.10008.1.2.4.70', '1.2.840.10008.1.2.4.80', '1.2.840.10008.1.2.4.90'];
const negotiated = (syntax: string): string => (syntax === EXPLICIT ? IMPLICIT : syntax);

/** Sends its requests over one association of theirs. @returns status and Error Comment of each */
async function sendByTheirs(port: number, sent: InstanceType<typeof requests.Request>[], calledAe = 'HILUM'): Promise<{ status: number; comment: string }[]> {
  const client: ClientType = new Client();
  const answers: { status: number; comment: string }[] = [];
  for (const request of sent) {
    request.on('response', (response: responseTypes.Response) => answers.push({ status: response.getStatus(), comment: response.getErrorComment() }));
    client.addRequest(request);
  }
  await new Promise<void>((resolve, reject) => {
    client.on('closed', resolve);
    client.on('networkError', reject);
    client.on('associationRejected', (why: object) => reject(new Error(`rejected ${JSON.stringify(why)}`)));
    client.send('127.0.0.1', port, 'DCMJS', calledAe, { connectTimeout: 5000, associationTimeout: 5000, pduTimeout: 5000 });
  });
  return answers;
}

interface TheirServer extends AsyncDisposable {
  port: number;
  stored: { sopClassUid: string; sopInstanceUid: string; file: Part10 }[];
}

/** @param takes whether it takes a SOP class in a transfer syntax @param statusOf its answer to an instance */
async function startTheirs(folder: string, takes: (sopClassUid: string, syntax: string) => boolean, statusOf: (sopInstanceUid: string) => number = () => 0): Promise<TheirServer> {
  const stored: TheirServer['stored'] = [];
  class StoreScp extends Scp {
    override associationRequested(association: Association): void {
      for (const { id } of association.getPresentationContexts()) {
        const context = association.getPresentationContext(id);
        const syntax = context.getTransferSyntaxUids().find((uid) => takes(context.getAbstractSyntaxUid(), uid));
        if (syntax === undefined) context.setResult(constants.PresentationContextResult.RejectAbstractSyntaxNotSupported);
        else context.setResult(constants.PresentationContextResult.Accept, syntax);
      }
      this.sendAssociationAccept();
    }
    override cEchoRequest(request: EchoRequest, answer: (response: responseTypes.CEchoResponse) => void): void {
      const response = responses.CEchoResponse.fromRequest(request);
      response.setStatus(constants.Status.Success);
      answer(response);
    }
    override cStoreRequest(request: StoreRequest, answer: (response: responseTypes.CStoreResponse) => void): void {
      const response = responses.CStoreResponse.fromRequest(request);
      const sopInstanceUid = request.getAffectedSopInstanceUid();
      response.setStatus(statusOf(sopInstanceUid));
      const path = join(folder, `theirs-${sopInstanceUid}.dcm`);
      request.getDataset()!.toFile(path);
      void readPart10(path).then((file) => {
        stored.push({ sopClassUid: request.getAffectedSopClassUid(), sopInstanceUid, file });
        answer(response);
      });
    }
    override associationReleaseRequested(): void {
      this.sendAssociationReleaseResponse();
    }
  }
  const server = new Server(StoreScp);
  server.on('networkError', () => {});
  server.listen(0);
  const listening = (server as unknown as { server: NetServer }).server;
  if (!listening.listening) await once(listening, 'listening');
  return {
    port: (listening.address() as AddressInfo).port,
    stored,
    async [Symbol.asyncDispose]() {
      const closed = once(listening, 'close');
      server.close();
      await closed;
    },
  };
}

async function pixelsOf({ pixelData, path, bytes }: Part10): Promise<Buffer> {
  assert.ok(pixelData);
  const whole = bytes === undefined ? await readFile(path) : Buffer.from(bytes);
  return whole.subarray(pixelData.offset, pixelData.offset + pixelData.length);
}

describe('interoperability with dcmjs-dimse', () => {
  let folder: ResultFolder;
  const levels = LOGS.map((one) => one.getLevel());
  before(() => LOGS.forEach((one) => one.setLevel('silent')));
  after(() => LOGS.forEach((one, index) => one.setLevel(levels[index]!)));
  beforeEach(async () => void (folder = await ResultFolder.create()));
  afterEach(() => folder[Symbol.asyncDispose]());

  const phantom = async (transferSyntaxUid: string): Promise<string> => {
    const path = join(folder.path, `${transferSyntaxUid}.dcm`);
    const patientName = 'Müller^Jürg=山田^太郎';
    await writeFile(path, await phantomDicom({ seed: 7, columns: 96, rows: 112, transferSyntaxUid, patientName, overrides: { StudyDescription: 'Thorax à deux plans' } }));
    return path;
  };

  it('answers its C-ECHO, and its server answers ours', async () => {
    await using ours = await startTestServer();
    assert.deepEqual(await sendByTheirs(ours.port, [new requests.CEchoRequest()]), [{ status: 0, comment: undefined }]);
    await using theirs = await startTheirs(folder.path, () => true);
    await echo({ host: '127.0.0.1', port: theirs.port, calledAe: 'PACS', callingAe: 'HILUM' }, 5000);
  });

  for (const syntax of SYNTAXES)
    it(`keeps what its C-STORE sends of a file in ${TRANSFER_SYNTAXES[syntax]?.name}`, async () => {
      await using ours = await startTestServer();
      const path = await phantom(syntax);
      assert.equal((await sendByTheirs(ours.port, [new requests.CStoreRequest(path)]))[0]?.status, 0);
      const [received] = ours.sink.received;
      assert.equal(received?.context.command?.transferSyntaxUid, negotiated(syntax));
      const kept = parsePart10(await readFile(received.path), { transferSyntaxUid: negotiated(syntax) });
      const sent = await readPart10(path);
      assert.deepEqual(kept.dataset, sent.dataset);
      assert.deepEqual(await pixelsOf(kept), await pixelsOf(sent));
    });

  it('takes many instances of several syntaxes over one association of its client', async () => {
    await using ours = await startTestServer();
    const paths = await Promise.all(SYNTAXES.map(phantom));
    const answers = await sendByTheirs(ours.port, [...paths, ...paths].map((path) => new requests.CStoreRequest(path)));
    assert.deepEqual(answers.map(({ status }) => status), Array.from({ length: 2 * SYNTAXES.length }, () => 0));
    assert.equal(new Set(ours.sink.received.map(({ context }) => context.associationId)).size, 1);
  });

  it('tells its client why an instance is refused, and takes the next', async () => {
    await using ours = await startTestServer();
    let refused = false;
    ours.sink.before = () => {
      if (refused) return;
      refused = true;
      throw new IntakeRefusal('out-of-room', 'the disk has 5 bytes left');
    };
    const path = await phantom(EXPLICIT);
    const answers = await sendByTheirs(ours.port, [new requests.CStoreRequest(path), new requests.CStoreRequest(path)]);
    assert.deepEqual(answers[0], { status: 0xa700, comment: 'the disk has 5 bytes left' });
    assert.equal(answers[1]?.status, 0);
  });

  it('rejects its association to another AE title, with the reason', async () => {
    await using ours = await startTestServer();
    await assert.rejects(sendByTheirs(ours.port, [new requests.CEchoRequest()], 'OTHER'), /"reason":7/);
  });

  const destination = (port: number): DimseDestination =>
    new DimseDestination({ remote: { host: '127.0.0.1', port, calledAe: 'PACS', callingAe: 'HILUM' }, maxPduBytes: 65_536, timeoutMs: 5000, log: silent });

  for (const syntax of [EXPLICIT, IMPLICIT])
    it(`delivers report and overlay to its server where that takes ${TRANSFER_SYNTAXES[syntax]?.name}`, async () => {
      await using theirs = await startTheirs(folder.path, (_, proposed) => proposed === syntax);
      const results = [await folder.report('2.25.10'), await folder.image('2.25.11', 300_000)];
      const outcomes = await outcomesOf(destination(theirs.port).send(results, new AbortController().signal));
      assert.deepEqual(outcomes.map(({ status }) => status), ['delivered', 'delivered']);
      assert.deepEqual(theirs.stored.map(({ sopClassUid }) => sopClassUid), [COMPREHENSIVE_3D_SR, SECONDARY_CAPTURE]);
      for (const [index, { path }] of results.entries()) assert.deepEqual(theirs.stored[index]!.file.dataset, (await readPart10(path)).dataset);
      assert.deepEqual(await pixelsOf(theirs.stored[1]!.file), await pixelsOf(await readPart10(results[1]!.path)));
    });

  it('delivers the Comprehensive SR where its server takes no Comprehensive 3D SR, and tells of a refusal', async () => {
    const statusOf = (sopInstanceUid: string): number => (sopInstanceUid === '2.25.11' ? 0xa700 : 0);
    await using theirs = await startTheirs(folder.path, (sopClassUid) => sopClassUid !== COMPREHENSIVE_3D_SR, statusOf);
    const results = [await folder.report('2.25.10'), await folder.image('2.25.11')];
    const outcomes = await outcomesOf(destination(theirs.port).send(results, new AbortController().signal));
    assert.deepEqual(outcomes.map(({ status }) => status), ['delivered', 'refused']);
    assert.equal(theirs.stored[0]?.sopClassUid, COMPREHENSIVE_SR);
    assert.match(outcomes[1]?.detail ?? '', /A700/);
  });
});
