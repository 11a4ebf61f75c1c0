// What is transcoded, read by other decoders: DCMTK's, and GDCM's for JPEG 2000. Every pixel must be the one that went in.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatasetTranscoder } from '../../gateway/transcode/dataset-transcoder.ts';
import { get, tagOf, text, texts, type Dataset } from '../../storage/dicom/dataset.ts';
import { readPart10, readRange } from '../../storage/dicom/part10.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../../storage/dicom/uids.ts';
import { runTool } from '../support/peers.ts';
import { inTemporaryFolder } from '../support/temporary-folder.ts';
import { KINDS, imageOf, pixelsOf, transcodedFile, type Kind } from '../support/transcoding.ts';

/** Who reads a syntax, into Explicit VR Little Endian. */
const READERS: Record<string, (from: string, to: string) => [tool: string, args: string[]]> = {
  '1.2.840.10008.1.2': (from, to) => ['dcmconv', ['+te', from, to]],
  '1.2.840.10008.1.2.2': (from, to) => ['dcmconv', ['+te', from, to]],
  '1.2.840.10008.1.2.1.99': (from, to) => ['dcmconv', ['+te', from, to]],
  '1.2.840.10008.1.2.5': (from, to) => ['dcmdrle', ['+te', from, to]],
  '1.2.840.10008.1.2.4.57': (from, to) => ['dcmdjpeg', ['+te', '+cn', '+px', from, to]],
  '1.2.840.10008.1.2.4.70': (from, to) => ['dcmdjpeg', ['+te', '+cn', '+px', from, to]],
  '1.2.840.10008.1.2.4.80': (from, to) => ['dcmdjpls', ['+te', '+px', from, to]],
  '1.2.840.10008.1.2.4.90': (from, to) => ['gdcmconv', ['--raw', from, to]],
};
/** Who writes one, from Explicit VR Little Endian. */
const WRITERS: Record<string, (from: string, to: string) => [tool: string, args: string[]]> = {
  '1.2.840.10008.1.2': (from, to) => ['dcmconv', ['+ti', from, to]],
  '1.2.840.10008.1.2.2': (from, to) => ['dcmconv', ['+tb', from, to]],
  '1.2.840.10008.1.2.1.99': (from, to) => ['dcmconv', ['+td', from, to]],
  '1.2.840.10008.1.2.5': (from, to) => ['dcmcrle', [from, to]],
  '1.2.840.10008.1.2.4.57': (from, to) => ['dcmcjpeg', ['+el', from, to]],
  '1.2.840.10008.1.2.4.70': (from, to) => ['dcmcjpeg', ['+e1', from, to]],
  '1.2.840.10008.1.2.4.80': (from, to) => ['dcmcjpls', [from, to]],
  '1.2.840.10008.1.2.4.90': (from, to) => ['gdcmconv', ['--j2k', from, to]],
};

/** Pixels of an uncompressed file, colour by pixel, the bits beyond the stored ones cleared. */
async function pixelsIn(path: string, kind: Kind): Promise<Buffer> {
  const file = await readPart10(path);
  assert.ok(file.pixelData && !file.pixelData.encapsulated, 'uncompressed');
  const planar = get(file.dataset, 'PlanarConfiguration')?.Value?.[0] === 1;
  return comparable(await readRange(file, file.pixelData.offset, file.pixelData.length), { ...kind, planar });
}

function comparable(bytes: Uint8Array, { columns, rows, frames = 1, bitsAllocated, bitsStored, planar = false, photometric = '' }: Kind): Buffer {
  const samples = /^(RGB|YBR)/.test(photometric) ? 3 : 1;
  const own = Buffer.from(bytes.subarray(0, (columns * rows * frames * samples * bitsAllocated) / 8));
  if (bitsAllocated === 16) for (let at = 0; at < own.length; at += 2) own.writeUInt16LE(own.readUInt16LE(at) & (2 ** bitsStored - 1), at);
  if (!planar) return own;
  const pixels = columns * rows;
  return Buffer.from(own.map((_, at) => own[Math.floor(at / (3 * pixels)) * 3 * pixels + (at % 3) * pixels + Math.floor((at % (3 * pixels)) / 3)]!));
}

describe('transcoding, as other decoders see it', () => {
  const transcoder = new DatasetTranscoder();
  after(() => transcoder.close());

  for (const [syntax, reader] of Object.entries(READERS)) {
    for (const kind of KINDS) {
      it(`${kind.name} to ${syntax}: the same pixels`, () =>
        inTemporaryFolder(async (folder) => {
          const source = join(folder, 'source.dcm');
          writeFileSync(source, imageOf(kind));
          const transcoded = await transcodedFile(transcoder, source, syntax, folder);
          const read = join(folder, 'read.dcm');
          const { code, output } = await runTool(...reader(transcoded, read));
          assert.equal(code, 0, output);
          assert.deepEqual(await pixelsIn(read, kind), comparable(pixelsOf(kind), kind));
          assert.deepEqual(await otherElements(transcoded), await otherElements(source));
        }));
    }
  }

  for (const [syntax, writer] of Object.entries(WRITERS)) {
    // DCMTK's JPEG encoder takes planes of several frames from the wrong places: what its own decoder gives is not what went in.
    const writable = writer('', '')[0] === 'dcmcjpeg' ? KINDS.filter(({ planar, frames = 1 }) => !(planar && frames > 1)) : KINDS;
    for (const kind of writable) {
      it(`${kind.name} from ${syntax}: the same pixels`, () =>
        inTemporaryFolder(async (folder) => {
          const [source, written] = [join(folder, 'source.dcm'), join(folder, 'written.dcm')];
          writeFileSync(source, imageOf(kind));
          const { code, output } = await runTool(...writer(source, written));
          assert.equal(code, 0, output);
          const read = await transcodedFile(transcoder, written, EXPLICIT_VR_LITTLE_ENDIAN, folder);
          assert.deepEqual(await pixelsIn(read, kind), comparable(pixelsOf(kind), kind));
        }));
    }
  }

  it('lossy, where it is asked for: near the pixels in every decoder, and the dataset says what was done', () =>
    inTemporaryFolder(async (folder) => {
      const kind = KINDS.find(({ name }) => name === '8 bits')!;
      const source = join(folder, 'source.dcm');
      writeFileSync(source, imageOf({ ...kind, extra: { LossyImageCompression: '01', LossyImageCompressionRatio: 8, LossyImageCompressionMethod: 'ISO_10918_1' } }));
      for (const [syntax, method, farthest] of [
        ['1.2.840.10008.1.2.4.50', 'ISO_10918_1', 24],
        ['1.2.840.10008.1.2.4.81', 'ISO_14495_1', 2],
        ['1.2.840.10008.1.2.4.91', 'ISO_15444_1', 24],
      ] as const) {
        const transcoded = await transcodedFile(transcoder, source, syntax, folder);
        const read = join(folder, `${syntax}-read.dcm`);
        const { code, output } = await runTool(...LOSSY_READERS[syntax]!(transcoded, read));
        assert.equal(code, 0, output);
        const wanted = comparable(pixelsOf(kind), kind);
        const differences = (await pixelsIn(read, kind)).map((value, at) => Math.abs(value - wanted[at]!));
        assert.ok(Math.max(...differences) <= farthest, `${syntax}: ${Math.max(...differences)}`);
        const { dataset } = await readPart10(transcoded);
        assert.deepEqual(texts(dataset, 'LossyImageCompression'), ['01']);
        assert.deepEqual(texts(dataset, 'LossyImageCompressionMethod'), ['ISO_10918_1', method]);
        assert.equal(texts(dataset, 'LossyImageCompressionRatio').length, 2);
        assert.ok(Number(texts(dataset, 'LossyImageCompressionRatio')[1]) > 1);
      }
    }));

  it('JPEG baseline in colour by DCMTK comes out as RGB, near what DCMTK makes of it', () =>
    inTemporaryFolder(async (folder) => {
      const kind = { ...KINDS.find(({ name }) => name === 'RGB')!, columns: 64, rows: 48 };
      const [source, jpeg, read] = ['source', 'jpeg', 'read'].map((name) => join(folder, `${name}.dcm`)) as [string, string, string];
      writeFileSync(source, imageOf(kind));
      assert.equal((await runTool('dcmcjpeg', ['+eb', '+s4', '+q', '95', source, jpeg])).code, 0);
      assert.equal((await runTool('dcmdjpeg', ['+te', '+cl', '+px', jpeg, read])).code, 0);
      const ours = await transcodedFile(transcoder, jpeg, EXPLICIT_VR_LITTLE_ENDIAN, folder);
      assert.equal(text((await readPart10(ours)).dataset, 'PhotometricInterpretation'), 'RGB');
      const theirs = await pixelsIn(read, kind);
      const differences = (await pixelsIn(ours, kind)).map((value, at) => Math.abs(value - theirs[at]!));
      assert.ok(Math.max(...differences) <= 3, String(Math.max(...differences)));
    }));
});

const LOSSY_READERS: Record<string, (from: string, to: string) => [tool: string, args: string[]]> = {
  '1.2.840.10008.1.2.4.50': (from, to) => ['dcmdjpeg', ['+te', from, to]],
  '1.2.840.10008.1.2.4.81': (from, to) => ['dcmdjpls', ['+te', from, to]],
  '1.2.840.10008.1.2.4.91': (from, to) => ['gdcmconv', ['--raw', from, to]],
};

/** The dataset but for what must follow the pixels. */
async function otherElements(path: string): Promise<Dataset> {
  const { dataset } = await readPart10(path);
  return Object.fromEntries(Object.entries(dataset).filter(([tag]) => tag !== tagOf('PhotometricInterpretation') && tag !== tagOf('PlanarConfiguration')));
}
