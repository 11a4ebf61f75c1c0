import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { dataset, type Dataset } from '../../storage/dicom/dataset.ts';
import { writePart10 } from '../../storage/dicom/write.ts';
import { IntakeRepository } from '../../storage/intake.repository.ts';
import { sameContentAs } from '../../storage/same-content.ts';
import { element, file, item, itemEnd, sequenceEnd, UNDEFINED } from '../support/dicom-bytes.ts';
import { TestPipeline } from '../support/pipeline.ts';

const IMPLICIT = '1.2.840.10008.1.2';
const EXPLICIT = '1.2.840.10008.1.2.1';
const BIG_ENDIAN = '1.2.840.10008.1.2.2';
const DEFLATED = '1.2.840.10008.1.2.1.99';

/** Its look-up table is longer than what a header holds. */
function image(sopInstanceUid: string, values: Record<string, unknown> = {}): Dataset {
  return dataset({
    SOPClassUID: '1.2.840.10008.5.1.4.1.1.7', SOPInstanceUID: sopInstanceUid, StudyInstanceUID: '2.25.900', SeriesInstanceUID: '2.25.901', Modality: 'OT', PatientName: 'Müller^Jürg', PatientID: 'SAME',
    Rows: 2, Columns: 2, SamplesPerPixel: 1, BitsAllocated: 16, BitsStored: 16, HighBit: 15, PixelRepresentation: 0, PhotometricInterpretation: 'MONOCHROME2',
    ReferencedSOPSequence: [{ ReferencedSOPInstanceUID: '1.2' }], RedPaletteColorLookupTableData: Uint8Array.from({ length: 70_000 }, (_, index) => index % 251), PixelData: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
    ...values,
  });
}

describe('one dataset in several encodings', () => {
  let pipeline: TestPipeline;
  before(async function () {
    this.timeout(60_000);
    pipeline = await TestPipeline.start();
  });
  after(async () => {
    await pipeline?.[Symbol.asyncDispose]();
  });

  async function send(ds: Dataset, transferSyntaxUid: string): Promise<{ outcome: string | undefined; blobId: string; header: Parameters<typeof sameContentAs>[0]; digest: string }> {
    const instance = await pipeline.receive(writePart10(ds, { transferSyntaxUid }));
    return { ...instance, outcome: await pipeline.indexer.indexed(instance.blobId) };
  }

  for (const [first, second] of [[EXPLICIT, IMPLICIT], [IMPLICIT, BIG_ENDIAN], [BIG_ENDIAN, EXPLICIT]] as const)
    it(`is one copy when it comes in ${first}, then in ${second}`, async () => {
      const uid = `2.25.902.${first.length}.${second.length}.${second.at(-1)}`;
      assert.equal((await send(image(uid), first)).outcome, 'new');
      const again = await send(image(uid), second);
      assert.equal(again.outcome, 'duplicate');
      assert.equal(existsSync(pipeline.blobs.path(again.blobId)), false);
      const [study] = await pipeline.query(`select flagged from studies where study_instance_uid = '2.25.900'`);
      assert.equal(study?.['flagged'], null);
    });

  it('is a changed version when one value, one byte of a long value, or one pixel is another', async () => {
    const uid = '2.25.903';
    await send(image(uid), EXPLICIT);
    const table = Uint8Array.from({ length: 70_000 }, (_, index) => (index === 69_999 ? 0 : index % 251));
    for (const values of [{ PatientID: 'OTHER' }, { RedPaletteColorLookupTableData: table }, { PixelData: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 9) }, { PixelData: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 0, 0) }])
      assert.equal((await send(image(uid, values), IMPLICIT)).outcome, 'new-version');
  });

  for (const [how, syntax, pixels] of [['uncompressed', EXPLICIT, element('7FE00010', 'OW', '12345678')], ['compressed', '1.2.840.10008.1.2.5', Buffer.concat([element('7FE00010', 'OB', '', UNDEFINED), item(Buffer.alloc(0)), item(Buffer.from('12345678')), sequenceEnd])]] as const)
    it(`is one copy when its sequences have delimiters, then lengths: ${how}`, async () => {
      const uid = `2.25.906.${how.length}`;
      const inItem = element('00081155', 'UI', '1.2\0');
      const of = (...sequence: Buffer[]): Buffer =>
        file(syntax, element('00080016', 'UI', '1.2.840.10008.5.1.4.1.1.7\0'), element('00080018', 'UI', uid.padEnd(uid.length + (uid.length % 2), '\0')), ...sequence, element('0020000D', 'UI', '2.25.900'), element('0020000E', 'UI', '2.25.901'), element('00280010', 'US', '\x02\0'), pixels);
      const [first, second] = [of(element('00081199', 'SQ', Buffer.concat([item(inItem, UNDEFINED), itemEnd, sequenceEnd]), UNDEFINED)), of(element('00081199', 'SQ', item(inItem)))];
      const outcomes = [];
      for (const bytes of [first, second]) outcomes.push(await pipeline.indexer.indexed((await pipeline.receive(bytes)).blobId));
      assert.deepEqual(outcomes, ['new', 'duplicate']);
    });

  it('is a changed version where it cannot be told: deflated', async () => {
    await send(image('2.25.904'), EXPLICIT);
    assert.equal((await send(image('2.25.904'), DEFLATED)).outcome, 'new-version');
  });

  it('is no changed version where those are refused', async () => {
    const repository = new IntakeRepository(pipeline.dataSource);
    await send(image('2.25.905'), EXPLICIT);
    const { header, digest } = await pipeline.receive(writePart10(image('2.25.905'), { transferSyntaxUid: IMPLICIT }));
    assert.equal(await repository.isKnownOtherwise('2.25.905', digest, sameContentAs(header, pipeline.blobs)), false);
    assert.equal(await repository.isKnownOtherwise('2.25.905', digest), true);
  });
});
