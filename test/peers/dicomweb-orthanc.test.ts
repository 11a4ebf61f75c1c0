// Orthanc's DICOMweb plugin as a client of Hilum, and as a server beside it: raw requests to both, and where they differ, which of
// the two the standard is with (docs/conformance-statement.md lists the differences).
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { get, text, type Dataset } from '../../storage/dicom/dataset.ts';
import { parsePart10, readPart10 } from '../../storage/dicom/part10.ts';
import { datasetXml, parseDatasetXml } from '../../storage/dicom/xml.ts';
import { studyFiles, upload } from '../support/archive-studies.ts';
import { assertDicomJson } from '../support/dicom-json.ts';
import { startTestGateway, temporaryFolder, waitFor, type TestGateway } from '../support/gateway.ts';
import { partsOf } from '../support/multipart-response.ts';
import { startOrthanc, type Orthanc } from '../support/orthanc.ts';
import { runTool } from '../support/peers.ts';

const STUDY = '2.25.81';
const FILES = studyFiles({ studyInstanceUid: STUDY, series: [2, 1], values: { PatientName: 'Müller^Jürg=山田^太郎', SpecificCharacterSet: 'ISO_IR 192', RequestAttributesSequence: [{ RequestedProcedureID: 'RP1' }] } });

describe("Orthanc's DICOMweb", function () {
  this.timeout(120_000);
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let gateway: TestGateway;
  let orthanc: Orthanc;
  before(async () => {
    folder = await temporaryFolder();
    [gateway, orthanc] = await Promise.all([startTestGateway(folder.path, { roles: ['intake', 'web'] }), startOrthanc()]);
    await fetch(`${orthanc.url}/dicom-web/servers/hilum`, { method: 'PUT', body: JSON.stringify({ Url: `${gateway.api}/dicomweb/` }) });
    await upload(orthanc, FILES);
  });
  after(async () => {
    await orthanc?.[Symbol.asyncDispose]();
    await gateway?.stop();
    await folder?.remove();
  });

  const rest = async (path: string, body?: object): Promise<unknown> => {
    const response = await fetch(`${orthanc.url}${path}`, body ? { method: 'POST', body: JSON.stringify(body) } : {});
    const answer = await response.text();
    assert.equal(response.status, 200, `${answer}\n${orthanc.output()}`);
    return JSON.parse(answer);
  };
  const hilum = (path: string, headers: Record<string, string> = {}) => fetch(`${gateway.api}/dicomweb${path}`, { headers });
  const beside = (path: string, headers: Record<string, string> = {}) => fetch(`${orthanc.url}/dicom-web${path}`, { headers });

  it('stores a study here, searches for it, and retrieves it with the bytes that it sent', async () => {
    const [id] = (await rest('/studies')) as string[];
    assert.deepEqual(((await rest('/dicom-web/servers/hilum/stow', { Resources: [id], Synchronous: true })) as { InstancesCount: string }).InstancesCount, '3');
    await waitFor(async () => ((await (await hilum(`/studies/${STUDY}/instances`)).json()) as unknown[]).length === 3, 'the study');
    const [match] = (await rest('/dicom-web/servers/hilum/qido', { Uri: '/studies', Arguments: { PatientName: 'M*', '00100020': 'FETCH1', includefield: 'StudyDescription' } })) as Record<string, { Value?: string }>[];
    assert.deepEqual(['0020000D', '00100020', '00081030', '00080061'].map((tag) => match![tag]?.Value), [STUDY, 'FETCH1', 'Chest', 'CR']);
    assert.equal(((await rest('/dicom-web/servers/hilum/qido', { Uri: `/studies/${STUDY}/series` })) as unknown[]).length, 2);
    assert.equal(((await rest('/dicom-web/servers/hilum/qido', { Uri: `/studies/${STUDY}/series/${STUDY}.1/instances`, Arguments: { limit: '1' } })) as unknown[]).length, 1);
    await fetch(`${orthanc.url}/studies/${id}`, { method: 'DELETE' });
    assert.equal(((await rest('/dicom-web/servers/hilum/retrieve', { Resources: [{ Study: STUDY }], Synchronous: true })) as { ReceivedInstancesCount: string }).ReceivedInstancesCount, '3');
    const sent = new Map(FILES.map(({ sopInstanceUid, file }) => [sopInstanceUid, datasetBytes(file)]));
    for (const instance of (await rest('/instances')) as string[]) {
      const file = new Uint8Array(await (await fetch(`${orthanc.url}/instances/${instance}/file`)).arrayBuffer());
      assert.ok(datasetBytes(file).equals(sent.get(text(parsePart10(file).dataset, 'SOPInstanceUID') ?? '')!));
    }
  });

  const datasetBytes = (file: Uint8Array): Buffer => Buffer.from(file.subarray(parsePart10(file).datasetOffset));
  const count = async (response: Response): Promise<number> => {
    assert.equal(response.status, 200, await response.clone().text());
    return assertDicomJson(await response.text()).length;
  };

  for (const path of [
    '/studies', '/series', '/instances', '/studies?PatientID=nobody', '/studies?PatientName=DOE^JANE', '/studies?PatientID=FETCH1&limit=1', '/studies?PatientID=FETCH*', '/studies?ModalitiesInStudy=CR,DX',
    `/studies?StudyInstanceUID=${STUDY},2.25.82`, '/studies?StudyTime=0800-1200', '/studies?StudyDate=20260101-20260110&StudyTime=0800-1200', '/instances?SOPClassUID=1.2.840.10008.5.1.4.1.1.1',
    '/instances?Rows=32', '/studies/2.25.999/series', '/studies?PatientID=&includefield=all', '/series?Modality=CR', '/series?Modality=CT', '/instances?InstanceNumber=2', '/studies?offset=1',
    '/studies?AccessionNumber=ACC1&StudyID=1', '/studies?fuzzymatching=true&PatientName=M*', `/studies/${STUDY}/metadata`, `/studies/${STUDY}/series/${STUDY}.1/metadata`,
  ])
    it(`gives as many as we for ${path}`, async () => assert.equal(await count(await hilum(path)), await count(await beside(path))));

  it('gives the same matches in XML', async () => {
    const uids = async (response: Response) => (await partsOf(response, 'application/dicom+xml')).map(({ bytes }) => text(parseDatasetXml(bytes.toString()), 'SeriesInstanceUID')).toSorted();
    assert.deepEqual(await uids(await hilum('/series', { accept: 'application/dicom+xml' })), await uids(await beside('/series', { accept: 'application/dicom+xml' })));
  });

  /** What Orthanc answers with success, and we with something else or something more, and where the standard says so. */
  const DIFFERENCES: [path: string, theirs: (response: Response) => Promise<void>, ours: (response: Response) => Promise<void>, section: string][] = [
    ['/studies?PatientIdentifier=x', matches(1), refused, 'PS3.18 8.3: an attribute that does not exist is no filter; ignoring it shows every patient'],
    ['/studies?StudyDate=2024-01-01', matches(0), refused, 'PS3.18 8.3: an invalid value is 400'],
    ['/studies/abc/series', matches(0), refused, 'PS3.5 9.1'],
    ['/studies?RequestAttributesSequence.RequestedProcedureID=other', matches(1), matches(0), 'PS3.18 8.3.4.1, PS3.4 C.2.2.2.6: sequence matching'],
    [`/studies?StudyInstanceUID=${STUDY}%5C2.25.82`, matches(0), matches(1), 'PS3.4 C.2.2.2.2: lists of UIDs'],
    ['/studies?PatientName=%E5%B1%B1%E7%94%B0*', matches(0), matches(1), 'PS3.5 6.2.1: component groups of names'],
    ['/studies?limit=0', matches(1), matches(0), 'PS3.18 8.3.4.4: at most none'],
  ];
  for (const [path, theirs, ours, section] of DIFFERENCES)
    it(`differs from us on ${path} (${section})`, async () => {
      await theirs(await beside(path));
      await ours(await hilum(path));
    });

  function matches(expected: number): (response: Response) => Promise<void> {
    return async (response) => assert.equal(await count(response), expected);
  }
  async function refused(response: Response): Promise<void> {
    await response.arrayBuffer();
    assert.equal(response.status, 400);
  }

  it("is read by Python's own readers of multipart and XML where it is XML", async () => {
    const path = join(folder.path, 'answer.mime');
    for (const [address, parts] of [['/instances?includefield=all', 3], [`/studies/${STUDY}/metadata`, 3], ['/studies', 1]] as const) {
      const response = await hilum(address, { accept: 'multipart/related; type="application/dicom+xml"' });
      await writeFile(path, Buffer.concat([Buffer.from(`Content-Type: ${response.headers.get('content-type')}\r\n\r\n`), Buffer.from(await response.arrayBuffer())]));
      const script = 'import email, sys\nimport xml.etree.ElementTree as ET\nns = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"\nfor part in email.message_from_binary_file(open(sys.argv[1], "rb")).get_payload():\n  root = ET.fromstring(part.get_payload(decode=True))\n  print(part.get_content_type(), root.tag == ns + "NativeDicomModel", root.find(f"{ns}DicomAttribute[@keyword=\'PatientName\']/{ns}PersonName/{ns}Ideographic/{ns}FamilyName").text)\n';
      const lines = execFileSync('/usr/bin/python3', ['-c', script, path], { encoding: 'utf8' }).trim().split('\n');
      assert.deepEqual(lines, Array.from({ length: parts }, () => 'application/dicom+xml True 山田'));
    }
  });

  it('is read by pydicom, as is everything that we answer in JSON', async () => {
    const bodies: Dataset[] = [];
    for (const path of ['/studies?includefield=all', '/series?includefield=all', '/instances?includefield=all', `/studies/${STUDY}/metadata`]) bodies.push(...assertDicomJson(await (await hilum(path)).text()));
    const path = join(folder.path, 'answers.json');
    await writeFile(path, JSON.stringify(bodies));
    const script = 'import json, sys\nfrom pydicom.dataset import Dataset\nfor ds in json.load(open(sys.argv[1])):\n  ds = Dataset.from_json(ds, lambda uri: b"\\0\\0")\n  print(str(ds.get("PatientName")), str(ds.get("StudyInstanceUID")), ds.get("Rows"))\n';
    const lines = execFileSync('/usr/bin/python3', ['-c', script, path], { encoding: 'utf8' }).trim().split('\n');
    assert.deepEqual([lines[0], lines.length], [`Müller^Jürg=山田^太郎 ${STUDY} None`, 1 + 2 + 3 + 3]);
    assert.equal(lines.at(-1), `Müller^Jürg=山田^太郎 ${STUDY} 32`);
  });
});

describe("DCMTK's XML", function () {
  this.timeout(60_000);
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  before(async () => (folder = await temporaryFolder()));
  after(() => folder.remove());

  it('of a file is read as the file itself is, and has what we write', async () => {
    const path = join(folder.path, 'image.dcm');
    await writeFile(path, FILES[0]!.file);
    const { code, output } = await runTool('dcm2xml', ['--native-format', '--encode-base64', path, join(folder.path, 'image.xml')]);
    assert.equal(code, 0, output);
    const theirs = parseDatasetXml(await readFile(join(folder.path, 'image.xml'), 'utf8'));
    const { dataset } = await readPart10(path);
    assert.ok(get(theirs, 'PixelData')?.InlineBinary);
    delete theirs['7FE00010'];
    assert.deepEqual(theirs, dataset);
    assert.deepEqual(parseDatasetXml(datasetXml(dataset)), theirs);
  });
});
