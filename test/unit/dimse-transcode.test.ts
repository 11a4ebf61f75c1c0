import assert from 'node:assert/strict';
import { implicitElements } from '../../gateway/dimse/transcode.ts';
import { code, dataset } from '../../storage/dicom/dataset.ts';
import { parsePart10 } from '../../storage/dicom/part10.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN } from '../../storage/dicom/uids.ts';
import { writeDataset } from '../../storage/dicom/write.ts';
import { imageDataset } from '../support/dimse.ts';

const implicit = (bytes: Buffer): Buffer => Buffer.concat([...implicitElements(bytes)]);
const hex = (...parts: string[]): Buffer => Buffer.from(parts.join('').replaceAll(' ', ''), 'hex');

describe('Explicit to Implicit VR', () => {
  it('writes the headers of PS3.5 table 7.1-3, short and long ones, and leaves the values', () => {
    const explicit = hex('0800 1800 5549 0400', '312e3200', '2800 1000 5553 0200', '0500', 'e07f 1000 4f57 0000 04000000', '01020304');
    assert.equal(implicit(explicit).toString('hex'), hex('0800 1800 04000000', '312e3200', '2800 1000 02000000', '0500', 'e07f 1000 04000000', '01020304').toString('hex'));
  });

  it('takes sequences and items of defined and of undefined length, one within the other', () => {
    const inner = hex('0800 5111 5351 0000 ffffffff', 'feff 00e0 ffffffff', '0800 5511 5549 0200', '3100', 'feff 0de0 00000000', 'feff dde0 00000000');
    const length = Buffer.alloc(4);
    length.writeUInt32LE(inner.length);
    const withItem = Buffer.concat([hex('0800 1511 5351 0000 ffffffff feff 00e0'), length, inner, hex('feff 00e0 ffffffff'), inner, hex('feff 0de0 00000000 feff dde0 00000000')]);
    const out = implicit(withItem);
    const one = '08005111ffffffff' + 'feff00e0ffffffff' + '08005511020000003100' + 'feff0de000000000' + 'feffdde000000000';
    const item = `feff00e0ffffffff${one}feff0de000000000`;
    assert.equal(out.toString('hex'), `08001511ffffffff${item}${item}feffdde000000000`);
  });

  it('changes no element of a report or an image', () => {
    const report = dataset({
      SOPClassUID: '1.2',
      SOPInstanceUID: '1.3',
      ConceptNameCodeSequence: [code('126000', 'DCM', 'Imaging Measurement Report')],
      ContentSequence: [{ ValueType: 'CONTAINER', ContentSequence: [{ TextValue: 'x'.repeat(2001) }, {}] }, { GraphicData: [1.5, 2.5] }],
      CurrentRequestedProcedureEvidenceSequence: [],
    });
    for (const explicit of [Buffer.from(writeDataset(report, EXPLICIT_VR_LITTLE_ENDIAN)), imageDataset('1.2.3', 50_000)])
      assert.deepEqual(
        parsePart10(implicit(explicit), { transferSyntaxUid: IMPLICIT_VR_LITTLE_ENDIAN }).dataset,
        parsePart10(explicit, { transferSyntaxUid: EXPLICIT_VR_LITTLE_ENDIAN }).dataset,
      );
  });

  it('refuses what is cut or contradicts itself, at any place', () => {
    const explicit = Buffer.from(writeDataset(dataset({ ContentSequence: [{ TextValue: 'x' }, { TextValue: 'y' }] }), EXPLICIT_VR_LITTLE_ENDIAN));
    for (let length = 1; length < explicit.length; length += 1) {
      // What is left after a whole element is whole.
      if (length === wholeAt(explicit)) continue;
      assert.throws(() => implicit(explicit.subarray(0, length)), { name: 'DicomFormatError' }, `cut at ${length}`);
    }
    assert.throws(() => implicit(hex('e07f 1000 4f42 0000 ffffffff')), /undefined length/);
    assert.throws(() => implicit(hex('0800 1511 5351 0000 08000000 0800 1800 00000000')), /something else than items/);
  });
});

/** Where the first element, Specific Character Set, ends. */
function wholeAt(explicit: Buffer): number {
  return 8 + explicit.readUInt16LE(6);
}
