// Orthanc asks a whole gateway, as its users do it over REST: query, retrieve of an answer, move; and pydicom reads what was answered.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sendByDimse } from '../../gateway/commands/demo-pacs.ts';
import { dataset, text } from '../../storage/dicom/dataset.ts';
import { parsePart10 } from '../../storage/dicom/part10.ts';
import { writePart10 } from '../../storage/dicom/write.ts';
import { CR_STORAGE, imageValues, silent } from '../support/dimse.ts';
import { startTestGateway, temporaryFolder, type TestGateway } from '../support/gateway.ts';
import { startOrthanc, type Orthanc } from '../support/orthanc.ts';
import { freePort, runTool } from '../support/peers.ts';

describe('Orthanc asks a gateway', function () {
  this.timeout(120_000);
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let gateway: TestGateway;
  let orthanc: Orthanc;
  const images: Record<string, unknown>[] = [
    ...[1, 2, 3].map((number) => ({ StudyInstanceUID: '2.25.1', SeriesInstanceUID: `2.25.1${number % 2}`, SOPInstanceUID: `2.25.10${number}`, InstanceNumber: number, PatientID: 'P1', PatientName: 'Müller^Änne', StudyDate: '20260105', AccessionNumber: 'A1' })),
    { StudyInstanceUID: '2.25.2', SeriesInstanceUID: '2.25.20', SOPInstanceUID: '2.25.201', PatientID: 'P2', PatientName: 'Yamada^Tarou=山田^太郎', StudyDate: '20260207', AccessionNumber: 'A2' },
  ];

  const rest = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const response = await fetch(`${orthanc.url}${path}`, { method, ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }) });
    const answer = await response.text();
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${answer}`);
    return JSON.parse(answer);
  };
  const query = async (level: string, keys: Record<string, string>): Promise<{ id: string; answers: Record<string, string>[] }> => {
    const { ID: id } = (await rest('POST', '/modalities/hilum/query', { Level: level, Query: keys })) as { ID: string };
    return { id, answers: (await rest('GET', `/queries/${id}/answers?expand&simplify`)) as Record<string, string>[] };
  };
  const inOrthanc = async (): Promise<string[]> => {
    const instances = (await rest('GET', '/instances?expand')) as { MainDicomTags: { SOPInstanceUID: string } }[];
    return instances.map(({ MainDicomTags }) => MainDicomTags.SOPInstanceUID).toSorted();
  };

  before(async () => {
    folder = await temporaryFolder();
    const port = await freePort();
    // It shows answers in its default encoding, and drops what that cannot hold.
    orthanc = await startOrthanc({ hilum: ['HILUM', '127.0.0.1', port] }, { DefaultEncoding: 'Utf8' });
    await mkdir(join(folder.path, 'home'));
    const peers = [{ name: 'orthanc', aeTitle: 'ORTHANC', host: '127.0.0.1', port: orthanc.dicomPort }];
    gateway = await startTestGateway(join(folder.path, 'home'), { roles: ['intake'], dimse: { port }, peers });
    const files = await Promise.all(
      images.map(async (values) => {
        const path = join(folder.path, `${String(values.SOPInstanceUID)}.dcm`);
        await writeFile(path, writePart10(dataset({ ...imageValues(String(values.SOPInstanceUID)), ...values })));
        return { path, sopClassUid: CR_STORAGE, sopInstanceUid: String(values.SOPInstanceUID), transferSyntaxUid: '1.2.840.10008.1.2.1' };
      }),
    );
    await sendByDimse(files, { port, aeTitle: 'HILUM' }, silent);
    for (const end = performance.now() + 20_000; (await query('Study', {})).answers.length < 2; ) if (performance.now() > end) throw new Error('not all studies are in the archive');
  });
  after(async () => {
    await orthanc?.[Symbol.asyncDispose]();
    await gateway?.stop();
    await folder?.remove();
  });
  afterEach(async () => {
    for (const id of (await rest('GET', '/studies')) as string[]) await rest('DELETE', `/studies/${id}`);
  });

  it('queries patients, studies, series and instances', async () => {
    const names = async (level: string, keys: Record<string, string>, wanted: string) => (await query(level, keys)).answers.map((answer) => answer[wanted]).toSorted();
    assert.deepEqual(await names('Patient', { PatientID: '*' }, 'PatientID'), ['P1', 'P2']);
    assert.deepEqual(await names('Study', { PatientName: '*muller*' }, 'StudyInstanceUID'), ['2.25.1']);
    assert.deepEqual(await names('Study', { StudyDate: '20260201-', PatientName: '' }, 'PatientName'), ['Yamada^Tarou=山田^太郎']);
    assert.deepEqual(await names('Series', { StudyInstanceUID: '2.25.1', PatientID: 'P1' }, 'SeriesInstanceUID'), ['2.25.10', '2.25.11']);
    assert.deepEqual(await names('Instance', { StudyInstanceUID: '2.25.1', SeriesInstanceUID: '2.25.11', PatientID: 'P1' }, 'SOPInstanceUID'), ['2.25.101', '2.25.103']);
  });

  it('retrieves an answer of its query, all answers, and what it is told to move', async () => {
    const study = await query('Study', { PatientID: 'P1' });
    await rest('POST', `/queries/${study.id}/answers/0/retrieve`, 'ORTHANC');
    assert.deepEqual(await inOrthanc(), ['2.25.101', '2.25.102', '2.25.103']);
    await rest('POST', `/queries/${(await query('Study', {})).id}/retrieve`, { TargetAet: 'ORTHANC', Synchronous: true });
    assert.deepEqual(await inOrthanc(), ['2.25.101', '2.25.102', '2.25.103', '2.25.201']);
  });

  it('moves a series and an instance', async () => {
    const move = (level: string, resource: Record<string, string>) => rest('POST', '/modalities/hilum/move', { Level: level, Resources: [resource], TargetAet: 'ORTHANC' });
    await move('Series', { PatientID: 'P1', StudyInstanceUID: '2.25.1', SeriesInstanceUID: '2.25.10' });
    assert.deepEqual(await inOrthanc(), ['2.25.102']);
    await move('Instance', { PatientID: 'P1', StudyInstanceUID: '2.25.1', SeriesInstanceUID: '2.25.11', SOPInstanceUID: '2.25.103' });
    assert.deepEqual(await inOrthanc(), ['2.25.102', '2.25.103']);
    const [id] = (await rest('GET', '/instances')) as string[];
    const file = parsePart10(Buffer.from(await (await fetch(`${orthanc.url}/instances/${id}/file`)).arrayBuffer()));
    assert.equal(text(file.dataset, 'PatientName'), 'Müller^Änne');
  });

  it('answers what pydicom reads', async () => {
    const target = join(folder.path, 'answers');
    await mkdir(target);
    const keys = ['QueryRetrieveLevel=STUDY', 'PatientName', 'StudyInstanceUID', 'ModalitiesInStudy', 'NumberOfStudyRelatedInstances', 'ProcedureCodeSequence'].flatMap((key) => ['-k', key]);
    await runTool('findscu', ['-S', '-aec', 'HILUM', '-X', '-od', target, ...keys, '127.0.0.1', String(gateway.dimsePort)]);
    const files = (await readdir(target)).map((name) => join(target, name));
    const script = [
      'import sys, json, pydicom',
      'found = [pydicom.dcmread(path) for path in sys.argv[1:]]',
      'print(json.dumps([[str(ds.PatientName), ds.StudyInstanceUID, str(ds.ModalitiesInStudy), int(ds.NumberOfStudyRelatedInstances), len(ds.ProcedureCodeSequence), ds.RetrieveAETitle] for ds in found]))',
    ].join('\n');
    const found = JSON.parse(execFileSync('/usr/bin/python3', ['-c', script, ...files]).toString()) as unknown[];
    assert.deepEqual(found, [
      ['Yamada^Tarou=山田^太郎', '2.25.2', 'CR', 1, 0, 'HILUM'],
      ['Müller^Änne', '2.25.1', 'CR', 3, 0, 'HILUM'],
    ]);
  });
});
