// docs/conformance-statement.md says what the code does: each of its tables that can be is compared with the code.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import dcmjs from 'dcmjs';
import { canDecode } from '../../ai/imaging/decode.ts';
import { CONCEPT, MODALITY, UNIT, VALUE, VIEW } from '../../ai/results/codes.ts';
import { patientAndStudy } from '../../ai/results/copy-attributes.ts';
import { encodeOverlays, SECONDARY_CAPTURE } from '../../ai/results/overlay.ts';
import { COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR, encodeReport } from '../../ai/results/structured-report.ts';
import { settingsSchema } from '../../config/settings.ts';
import { FAILURE_REASON, WARNING_REASON } from '../../gateway/dicomweb/store-response.ts';
import { hex4 } from '../../gateway/dimse/command.ts';
import { REJECTION } from '../../gateway/dimse/pdu.ts';
import { PROCEDURE_STEP_STATUS } from '../../gateway/dimse/procedure-step-scp.ts';
import { FIND_MODELS, FIND_OPTIONS, GET_MODELS, MOVE_MODELS, RETRIEVE_OPTIONS } from '../../gateway/dimse/query-models.ts';
import { QUERY_STATUS, RETRIEVE_STATUS } from '../../gateway/dimse/query-status.ts';
import { meansStored, STATUS } from '../../gateway/dimse/status.ts';
import { COMMITMENT_STATUS } from '../../gateway/dimse/storage-commitment-scp.ts';
import { COMMITMENT_FAILURE } from '../../gateway/dimse/storage-commitment.ts';
import { STORAGE_EXTENDED } from '../../gateway/dimse/storage-service.ts';
import { contextsFor } from '../../gateway/dimse/store-scu.ts';
import { openApi } from '../../gateway/http/openapi.ts';
import { hasCodecs } from '../../gateway/transcode/frame-transcoder.ts';
import { keywordOf, type Dataset } from '../../storage/dicom/dataset.ts';
import { parsePart10 } from '../../storage/dicom/part10.ts';
import { SOP_CLASS_NAMES } from '../../storage/dicom/sop-classes.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN, TRANSFER_SYNTAXES } from '../../storage/dicom/uids.ts';
import { IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME } from '../../storage/dicom/write.ts';
import { MEASURED, analyzed, outcomeImage, radiographFile, radiographHeader, studyOutcome } from '../support/results.ts';
import { temporaryFolder } from '../support/gateway.ts';

const lines = (await readFile(resolve(import.meta.dirname, '../../docs/conformance-statement.md'), 'utf8')).split('\n');

/** The rows of the only table with these columns, or of the first one after a heading. */
function rows(head: string, after = ''): string[][] {
  const heading = lines.findIndex((line) => line.startsWith(after));
  const start = lines.findIndex((line, index) => index >= heading && line === `| ${head} |`);
  assert.ok(heading >= 0 && start >= 0, `there is no table "${head}" after "${after}"`);
  const length = lines.slice(start).findIndex((line) => !line.startsWith('|'));
  return lines.slice(start + 2, length < 0 ? undefined : start + length).map((line) => line.slice(2, -2).split(' | '));
}

/** Every attribute that a table of modules names. */
function attributes(after: string): { all: Set<string>; own: Set<string> } {
  const cells = rows('Module | Attributes | Values', after).flatMap(([, names = '']) => names.split(', '));
  return { all: new Set(cells.map((name) => name.replace(' *', ''))), own: new Set(cells.filter((name) => name.endsWith(' *')).map((name) => name.slice(0, -2))) };
}

const keywords = (ds: Dataset): string[] => Object.keys(ds).map((tag) => keywordOf(tag) ?? tag);

describe('the conformance statement', () => {
  it('names the implementation as it names itself on the wire', () => {
    const stated = Object.fromEntries(rows('Item | Value').map(([key = '', value]) => [key, value]));
    assert.equal(stated['Implementation class UID'], IMPLEMENTATION_CLASS_UID);
    assert.equal(stated['Implementation version name'], IMPLEMENTATION_VERSION_NAME);
    const { limits } = settingsSchema.parse({});
    assert.ok(stated['Largest PDU accepted']?.includes(limits.pduBytes.toLocaleString('en')));
    assert.ok(stated['Associations at a time, accepted']?.includes(` ${limits.associations} `));
    assert.ok(stated['Silence on an accepted association']?.includes(` ${limits.associationIdleSeconds} s `));
  });

  it('lists every storage SOP class and transfer syntax that is accepted, and which of those can be decoded', () => {
    assert.deepEqual(Object.fromEntries(rows('SOP class | UID').map(([name, uid]) => [uid, name])), SOP_CLASS_NAMES);
    const syntaxes = Object.entries(TRANSFER_SYNTAXES).map(([uid, { name }]) => [name, uid, canDecode(uid) ? 'yes' : 'no']);
    assert.deepEqual(rows('Transfer syntax | UID | Decoded'), syntaxes);
  });

  it('lists every rejection of an association', () => {
    const stated = rows('Result | Source | Reason | When').map((row) => row.slice(0, 3).map((cell) => Number.parseInt(cell, 10)));
    assert.deepEqual(stated, Object.values(REJECTION).map(({ result, source, reason }) => [result, source, reason]));
  });

  it('lists every status of a C-STORE response', () => {
    const other = STATUS.unrecognizedOperation; // for other requests than C-STORE
    const stated = rows('Status | Meaning | When').map(([status]) => status);
    assert.deepEqual(stated, Object.values(STATUS).filter((status) => status !== other).map(hex4));
  });

  it('proposes what it says to a destination', () => {
    const stated = rows('SOP class | UID | Transfer syntaxes proposed, each in a context of its own');
    assert.deepEqual(stated.map(([name]) => name), stated.map(([, uid = '']) => SOP_CLASS_NAMES[uid]));
    assert.deepEqual(stated.map(([, uid]) => uid), [COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR, SECONDARY_CAPTURE]);
    for (const [, sopClassUid = '', proposed = ''] of stated) {
      const contexts = contextsFor([{ path: '', sopClassUid, sopInstanceUid: '1.2', transferSyntaxUid: EXPLICIT_VR_LITTLE_ENDIAN }]);
      assert.deepEqual(contexts.map(({ transferSyntaxes }) => transferSyntaxes.map((uid) => TRANSFER_SYNTAXES[uid]?.name)), proposed.split(', ').map((name) => [name]));
    }
  });

  it('says which answers of a destination mean delivered', () => {
    for (const [answer = '', , delivered = ''] of rows('Answer | Meaning | Delivered')) {
      if (answer === '0111') continue; // held by the tests of the destination
      const status = Number.parseInt(answer.slice(0, 4).replaceAll('x', '1'), 16);
      assert.equal(meansStored(status), delivered === 'yes', answer);
    }
  });

  it('lists every answer and every failure reason of STOW-RS', () => {
    const paths: Record<string, Record<string, { responses?: object }>> = openApi('').paths;
    const responses = Object.keys(paths['/dicomweb/studies']?.['post']?.responses ?? {});
    assert.deepEqual(rows('Status | When', '### 5.1').map(([status]) => status), responses);
    const reasons = Object.values(FAILURE_REASON).map(hex4);
    assert.deepEqual(rows('Failure Reason | When', '### 5.1').map(([reason]) => reason), reasons);
  });

  it('lists every warning reason of STOW-RS', () => {
    assert.deepEqual(rows('Warning Reason | When').map(([reason]) => reason), Object.values(WARNING_REASON).map(hex4));
  });

  it('lists every model of queries and retrieves, with its levels, and every status', () => {
    assert.deepEqual(rows('SOP class | UID | Levels').map(([, uid = '', levels = '']) => [uid, levels]), Object.entries(FIND_MODELS).map(([uid, { levels }]) => [uid, [...levels.keys()].join(', ')]));
    assert.deepEqual(rows('Model | UID').map(([, uid]) => uid), Object.keys({ ...MOVE_MODELS, ...GET_MODELS }));
    const ofAnyService = new Set(['0124', '0211']);
    const stated = (head: string): string[] => rows(head).map(([status = '']) => status).filter((status) => !ofAnyService.has(status)).toSorted();
    assert.deepEqual(stated('C-FIND status | Meaning | When'), Object.values(QUERY_STATUS).map(hex4).toSorted());
    assert.deepEqual(stated('C-MOVE, C-GET status | Meaning | When'), Object.values(RETRIEVE_STATUS).map(hex4).toSorted());
    const extended = Object.fromEntries(rows('SOP classes | Application information accepted | Meaning'));
    assert.equal(extended['Storage, all'], [...STORAGE_EXTENDED].join(', '));
    assert.equal(extended['Query/Retrieve FIND'], Object.values(FIND_OPTIONS).map(Number).join(', '));
    assert.equal(extended['Query/Retrieve MOVE, GET'], Object.values(RETRIEVE_OPTIONS).map(Number).join(', '));
  });

  it('lists every status of storage commitment and of procedure steps', () => {
    const { noSuchEventType: _, ...ofAction } = COMMITMENT_STATUS;
    assert.deepEqual(rows('N-ACTION status | Meaning | When').map(([status]) => status), ['0000', ...Object.values(ofAction).map(hex4).toSorted()]);
    const { duplicateTransactionUid: __, ...reasons } = COMMITMENT_FAILURE;
    assert.deepEqual(rows('Failure Reason | When', '#### 4.2.5').map(([reason]) => reason), Object.values(reasons).map(hex4).toSorted());
    assert.deepEqual(rows('N-CREATE, N-SET status | Meaning | When').map(([status]) => status), ['0000', ...Object.values(PROCEDURE_STEP_STATUS).map(hex4).toSorted()]);
  });

  it('lists every transfer syntax that is made of others', () => {
    const made = Object.entries(TRANSFER_SYNTAXES).filter(([uid]) => hasCodecs(EXPLICIT_VR_LITTLE_ENDIAN, uid));
    assert.deepEqual(rows('Transfer syntax that is made | How').map(([name]) => name), made.map(([, { name }]) => name));
  });

  it('lists every DICOMweb request', () => {
    const stated = rows('Request | Section of PS3.18 | Accepts | Returns').flatMap(([requests = '']) => [...requests.matchAll(/`([A-Z]+) (\/[^` ]+)`/g)].map(([, method, path]) => `${method} /dicomweb${path}`));
    const served = Object.entries<object>(openApi('').paths)
      .filter(([path]) => path.startsWith('/dicomweb/'))
      .flatMap(([path, operations]) => Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`));
    assert.deepEqual(stated.toSorted(), served.toSorted());
  });

  it('lists every code that a report may hold', () => {
    const codes = [CONCEPT, VALUE, UNIT, MODALITY, VIEW].flatMap((group) => Object.values(group));
    const known = [...new Set(codes.map(({ value, scheme, meaning }) => [value, scheme, meaning].join(' | ')))].toSorted();
    assert.deepEqual(rows('Code | Scheme | Meaning').map((row) => row.join(' | ')).toSorted(), known);
  });

  it('lists every attribute that results take over from their source, and those that stand there empty', () => {
    const everything: Dataset = {};
    for (const { tag } of Object.values(dcmjs.data.DicomMetaDictionary.nameMap))
      if (/^\([0-9A-F]{4},[0-9A-F]{4}\)$/.test(tag)) everything[tag.replaceAll(/\W/g, '')] = { vr: 'LO', Value: ['1'] };
    const empty = new Set(Object.keys(patientAndStudy({})));
    const taken = Object.keys(patientAndStudy(everything)).toSorted();
    const expected = taken.map((tag) => [`(${tag.slice(0, 4)},${tag.slice(4)})`, `${keywordOf(tag)}${empty.has(tag) ? ' *' : ''}`]);
    assert.deepEqual(rows('Tag | Attribute'), expected);
  });

  it('names every other attribute of a report and of an overlay', async () => {
    const folder = await temporaryFolder();
    try {
      const path = join(folder.path, 'a.dcm');
      const values = { Rows: 64, Columns: 48, Laterality: 'U', RecognizableVisualFeatures: 'NO', PixelSpacing: ['0.2', '0.1'], LossyImageCompression: '01', LossyImageCompressionRatio: '8', LossyImageCompressionMethod: 'ISO_10918_1' };
      await writeFile(path, radiographFile(values));
      const header = radiographHeader(values);
      const predecessor = { sopClassUid: COMPREHENSIVE_3D_SR, sopInstanceUid: '2.25.3', seriesInstanceUid: '2.25.2', studyInstanceUid: '2.25.1' };
      const study = studyOutcome([outcomeImage(analyzed({ severity: MEASURED }), { path, header })], { predecessor });
      const taken = new Set(keywords(patientAndStudy(header)));
      const others = (ds: Dataset): string[] => keywords(ds).filter((keyword) => !taken.has(keyword)).toSorted();

      const [report] = encodeReport(study);
      assert.deepEqual(others(parsePart10(report!.bytes).dataset), [...attributes('### 6.1').all].toSorted());
      const [overlay] = await encodeOverlays(study);
      const { dataset } = parsePart10(overlay!.bytes);
      assert.deepEqual(others({ ...dataset, '7FE00010': { vr: 'OB' } }), [...attributes('### 6.2').all].toSorted());
      for (const keyword of attributes('### 6.2').own) assert.ok(keywords(header).includes(keyword), `${keyword} is the image's own`);
    } finally {
      await folder.remove();
    }
  });
});
