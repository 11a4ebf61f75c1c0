// The client of dcmjs-dimse, an implementation that is not ours, finds, moves and gets.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import dcmjsDimse from 'dcmjs-dimse';
import type { Client as ClientType, requests as requestTypes, responses as responseTypes } from 'dcmjs-dimse';
import { dataset, type Dataset } from '../../storage/dicom/dataset.ts';
import { startTestServer } from '../support/dimse.ts';
import { keep, startQueryRetrieve } from '../support/query-retrieve.ts';

const { Client, log, requests, responses, constants } = dcmjsDimse;
const { log: dcmjsLog } = createRequire(import.meta.resolve('dcmjs-dimse'))('dcmjs') as { log: { getLogger(name: string): typeof log } };
const LOGS = [log, dcmjsLog.getLogger('validation.dcmjs')];

/** One request over an association of its own; all responses. */
async function ask(port: number, request: InstanceType<typeof requests.Request>, onStore?: (instance: requestTypes.CStoreRequest) => void): Promise<responseTypes.Response[]> {
  const client: ClientType = new Client();
  const answers: responseTypes.Response[] = [];
  request.on('response', (response: responseTypes.Response) => answers.push(response));
  client.on('cStoreRequest', (instance: requestTypes.CStoreRequest, answer: (response: responseTypes.CStoreResponse) => void) => {
    onStore?.(instance);
    const response = responses.CStoreResponse.fromRequest(instance);
    response.setStatus(constants.Status.Success);
    answer(response);
  });
  client.addRequest(request);
  await new Promise<void>((resolve, reject) => {
    client.on('closed', resolve);
    client.on('networkError', reject);
    client.on('associationRejected', (why: object) => reject(new Error(`rejected ${JSON.stringify(why)}`)));
    client.send('127.0.0.1', port, 'VIEWER', 'HILUM', { connectTimeout: 5000, associationTimeout: 5000, pduTimeout: 5000 });
  });
  return answers;
}

const study = [11, 12, 13].map((number) => ({ SOPInstanceUID: `2.25.${number}`, InstanceNumber: number }));

describe('dcmjs-dimse asks', () => {
  const levels = LOGS.map((one) => one.getLevel());
  before(() => LOGS.forEach((one) => one.setLevel('silent')));
  after(() => LOGS.forEach((one, index) => one.setLevel(levels[index]!)));

  it('for studies, and reads each match', async () => {
    await using test = await startQueryRetrieve();
    const found: Dataset[] = [1, 2].map((number) => dataset({ StudyInstanceUID: `2.25.${number}`, PatientName: 'DOE^JANE', StudyDate: '20260102' }));
    test.search = async function* () {
      yield* found;
    };
    const answers = await ask(test.port, requests.CFindRequest.createStudyFindRequest({ PatientName: 'DOE*', StudyInstanceUID: '', StudyDate: '20260101-' }));
    assert.deepEqual(answers.map((answer) => answer.getStatus()), [0xff00, 0xff00, 0]);
    const elements = answers.slice(0, 2).map((answer) => answer.getDataset()!.getElements() as Record<string, unknown>);
    assert.deepEqual(elements.map(({ StudyInstanceUID, StudyDate, RetrieveAETitle }) => [StudyInstanceUID, StudyDate, RetrieveAETitle]), [['2.25.1', '20260102', 'HILUM'], ['2.25.2', '20260102', 'HILUM']]);
  });

  it('for a study to be moved to a peer', async () => {
    await using destination = await startTestServer({ dimse: { aeTitle: 'ARCHIVE' } });
    await using test = await startQueryRetrieve({ peers: [{ name: 'archive', aeTitle: 'ARCHIVE', host: '127.0.0.1', port: destination.port }] });
    await keep(test.store, study);
    const answers = (await ask(test.port, requests.CMoveRequest.createStudyMoveRequest('ARCHIVE', '2.25.1'))) as responseTypes.CMoveResponse[];
    const last = answers.at(-1)!;
    assert.deepEqual([last.getStatus(), last.getCompleted(), last.getFailures()], [0, 3, 0]);
    assert.deepEqual(destination.sink.received.map(({ context }) => context.command?.sopInstanceUid), ['2.25.11', '2.25.12', '2.25.13']);
  });

  it('for a study over the same association', async () => {
    await using test = await startQueryRetrieve();
    await keep(test.store, study);
    const stored: (string | undefined)[] = [];
    const request = requests.CGetRequest.createStudyGetRequest('2.25.1');
    request.setAddStorageSopClassesToAssociation(true);
    const answers = (await ask(test.port, request, (instance) => stored.push(instance.getAffectedSopInstanceUid()))) as responseTypes.CGetResponse[];
    const last = answers.at(-1)!;
    assert.deepEqual([last.getStatus(), last.getCompleted()], [0, 3]);
    assert.deepEqual(stored, ['2.25.11', '2.25.12', '2.25.13']);
  });
});
