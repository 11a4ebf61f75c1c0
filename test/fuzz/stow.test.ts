// Store requests that something happened to on the way: an answer that is no fault of ours, and nothing half stored.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { dataset, type Dataset } from '../../storage/dicom/dataset.ts';
import { datasetXml } from '../../storage/dicom/xml.ts';
import { MULTIPART, multipart, startTestGateway, testInstance, type TestGateway } from '../support/http-gateway.ts';
import { JSON_METADATA, jsonPart, relatedBody, XML_METADATA, type SentPart } from '../support/stow-metadata.ts';

const metadata = (number: number): Dataset => ({
  ...dataset({ SOPClassUID: '1.2.840.10008.5.1.4.1.1.7', SOPInstanceUID: `2.25.600.${number}`, StudyInstanceUID: '2.25.600', SeriesInstanceUID: '2.25.601', PatientName: 'Müller^Jürg', SpecificCharacterSet: 'ISO_IR 100', Rows: 2, Columns: 2, SamplesPerPixel: 1, BitsAllocated: 8, NumberOfFrames: 2 }),
  '7FE00010': { vr: 'OB', BulkDataURI: `uuid:${number}` },
});
const pixels = (number: number): SentPart => ({ type: 'application/octet-stream', location: `uuid:${number}`, body: Uint8Array.of(1, 2, 3, 4) });
const bulk = [pixels(1), pixels(2), pixels(2), pixels(1)];
const REQUESTS: { type: string; body: Buffer }[] = [
  { type: MULTIPART, body: multipart([testInstance(1), testInstance(2)]) },
  { type: JSON_METADATA, body: relatedBody([jsonPart(metadata(1), metadata(2)), ...bulk]) },
  { type: XML_METADATA, body: relatedBody([...[1, 2].map((number) => ({ type: 'application/dicom+xml', body: datasetXml(metadata(number)) })), ...bulk]) },
];
const text = fc.constantFrom('\r\n', '--limit', '\r\n--limit--', 'Content-Location: x\r\n', 'Content-Type: image/jpeg\r\n', '{', ']', '"', '[', ',', 'null', '-1', '<', '/>', '&', 'uuid:1', '\0', '9'.repeat(30));
const change = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  drop: fc.oneof(fc.nat({ max: 4 }), fc.nat({ max: 300 })),
  put: fc.oneof(fc.constant(new Uint8Array()), fc.uint8Array({ maxLength: 4 }), text.map((piece) => Buffer.from(piece))),
});

describe('STOW-RS, given broken requests', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway();
  });
  after(() => gateway.close());

  it('answers with a status that is no fault of ours, leaves nothing half stored, and takes the next request', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...REQUESTS), fc.array(change, { minLength: 1, maxLength: 5 }), async ({ type, body }, changes) => {
        let bytes: Uint8Array = body;
        for (const { at, drop, put } of changes) {
          const place = Math.floor(at * bytes.length);
          bytes = Buffer.concat([bytes.subarray(0, place), put, bytes.subarray(place + drop)]);
        }
        const response = await fetch(`${gateway.url}/dicomweb/studies`, { method: 'POST', headers: { 'Content-Type': type }, body: new Uint8Array(bytes) });
        const answer = await response.text();
        assert.ok([200, 202, 400, 409, 413, 415].includes(response.status), `${response.status} ${answer}`);
        assert.doesNotMatch(answer, /the log has the reason/, 'a fault of ours');
        const { blobs, incoming, journal } = await gateway.store.kept();
        assert.deepEqual([incoming, journal], [0, blobs]);
      }),
      { seed: 48, numRuns: 300 },
    );
  }).timeout(60_000);
});
