// Storage commitment with Orthanc, in both directions.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { cStore, phantomFile, startTestGateway, studyOf, temporaryFolder, waitFor, waitForDelivery, type TestGateway } from '../support/gateway.ts';
import { startOrthanc, type Orthanc } from '../support/orthanc.ts';

interface CommitmentReport {
  Status: 'Pending' | 'Success' | 'Failure';
  Success?: { SOPInstanceUID: string }[];
  Failures?: { SOPInstanceUID: string; FailureReason: string; Description: string }[];
}

describe('storage commitment with Orthanc', function () {
  this.timeout(60_000);
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let orthanc: Orthanc;
  let gateway: TestGateway;

  before(async () => {
    folder = await temporaryFolder();
    orthanc = await startOrthanc();
    gateway = await startTestGateway(join(folder.path, 'home'), {
      peers: [{ name: 'orthanc', aeTitle: orthanc.aeTitle, host: '127.0.0.1', port: orthanc.dicomPort }],
      destinations: [{ name: 'pacs', type: 'dimse', peer: 'orthanc', commitment: {} }],
      routes: [{ name: 'chest', when: { Modality: ['CR'] }, completeAfterSeconds: 0.2, models: ['opacity'], deliver: [{ to: 'pacs' }] }],
    });
    await fetch(`${orthanc.url}/modalities/hilum`, { method: 'PUT', body: JSON.stringify({ AET: 'HILUM', Host: '127.0.0.1', Port: gateway.dimsePort }) });
  });
  after(async () => {
    await gateway?.stop();
    await orthanc?.[Symbol.asyncDispose]();
    await folder.remove();
  });

  it('is given to it for what it has sent, and not for what it has not', async () => {
    const image = await phantomFile(folder.path, { seed: 71, patientId: 'SC1' });
    await cStore(gateway.dimsePort!, [image]);
    const ask = async (...instances: [string, string][]): Promise<CommitmentReport> => {
      const response = await fetch(`${orthanc.url}/modalities/hilum/storage-commitment`, { method: 'POST', body: JSON.stringify({ DicomInstances: instances }) });
      assert.equal(response.status, 200, await response.clone().text());
      const { ID } = (await response.json()) as { ID: string };
      return waitFor(async () => {
        const report = (await (await fetch(`${orthanc.url}/storage-commitment/${ID}`)).json()) as CommitmentReport;
        return report.Status !== 'Pending' && report;
      }, "Orthanc's storage commitment report");
    };
    const kept = await ask([image.sopClassUid, image.sopInstanceUid]);
    assert.deepEqual([kept.Status, kept.Success?.map(({ SOPInstanceUID }) => SOPInstanceUID)], ['Success', [image.sopInstanceUid]]);
    const partly = await ask([image.sopClassUid, image.sopInstanceUid], [image.sopClassUid, '2.25.7199']);
    assert.equal(partly.Status, 'Failure');
    assert.deepEqual(partly.Failures?.map(({ SOPInstanceUID }) => SOPInstanceUID), ['2.25.7199']);
    assert.match(JSON.stringify(partly.Failures), /NO_SUCH_OBJECT_INSTANCE|274/i);
  });

  it('is given by it for the results that it has taken', async () => {
    const image = await phantomFile(folder.path, { seed: 72, patientId: 'SC2' });
    await cStore(gateway.dimsePort!, [image]);
    await waitForDelivery(gateway.api, image.studyInstanceUid);
    const deliveries = await waitFor(async () => {
      const study = await studyOf(gateway.api, image.studyInstanceUid);
      return study?.deliveries.every(({ commitment }) => commitment === 'committed') && study.deliveries;
    }, 'the results to be committed');
    assert.equal(deliveries.length, 2);
  });
});
