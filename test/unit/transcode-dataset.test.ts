import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createReadStream, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { decodeCells } from '../../ai/imaging/cells.ts';
import { describePixels } from '../../ai/imaging/pixel-description.ts';
import { DatasetTranscoder } from '../../gateway/transcode/dataset-transcoder.ts';
import { NotTranscodableError } from '../../gateway/transcode/transcoder.ts';
import { code, dataset, tagOf, type Dataset } from '../../storage/dicom/dataset.ts';
import { readFrame } from '../../storage/dicom/frames.ts';
import { parsePart10, readPart10 } from '../../storage/dicom/part10.ts';
import { writeDataset, writePart10 } from '../../storage/dicom/write.ts';
import { UNDEFINED, element, file, implicit, item, itemEnd, sequenceEnd } from '../support/dicom-bytes.ts';
import { KINDS, archivedFile, imageOf, pixelsOf, transcodedFile } from '../support/transcoding.ts';

const [IMPLICIT, EXPLICIT, DEFLATED, BIG_ENDIAN] = ['1.2.840.10008.1.2', '1.2.840.10008.1.2.1', '1.2.840.10008.1.2.1.99', '1.2.840.10008.1.2.2'];
const UNCOMPRESSED = [IMPLICIT, EXPLICIT, DEFLATED, BIG_ENDIAN];
const LOSSLESS = ['5', '4.57', '4.70', '4.80', '4.90', '4.201', '4.202'].map((end) => `1.2.840.10008.1.2.${end}`);

describe('transcoding datasets', () => {
  const transcoder = new DatasetTranscoder();
  const folder = mkdtempSync(join(tmpdir(), 'hilum-transcode-'));
  after(async () => {
    await transcoder.close();
    rmSync(folder, { recursive: true });
  });

  let number = 0;
  const keep = (bytes: Uint8Array): string => {
    const path = join(folder, `${(number += 1)}.dcm`);
    writeFileSync(path, bytes);
    return path;
  };
  const transcoded = async (path: string, to: string): Promise<Buffer> => {
    const parts: Uint8Array[] = [];
    for await (const chunk of await transcoder.dataset(await archivedFile(path), to)) parts.push(chunk);
    return Buffer.concat(parts);
  };
  /** Pixels of all frames, as cells in memory. */
  const cellsOf = async (path: string, frames = 1): Promise<Buffer> => {
    const part10 = await readPart10(path);
    const described = describePixels(part10.dataset, 0);
    const parts: Uint8Array[] = [];
    for (let frame = 1; frame <= frames; frame++) parts.push((await decodeCells(await readFrame(part10, frame), part10.transferSyntaxUid, described)).bytes);
    return Buffer.concat(parts);
  };

  describe('of every kind of image, through every lossless syntax and back', () => {
    for (const kind of KINDS) {
      it(`${kind.name}: the same pixels, the same elements`, async () => {
        const source = keep(imageOf(kind));
        const wanted = await cellsOf(source, kind.frames);
        for (const syntax of [...UNCOMPRESSED, ...LOSSLESS]) {
          const there = await transcodedFile(transcoder, source, syntax, folder);
          assert.deepEqual(await cellsOf(there, kind.frames), wanted, syntax);
          const back = await readPart10(await transcodedFile(transcoder, there, EXPLICIT, folder));
          assert.deepEqual(withoutLayout(back.dataset), withoutLayout((await readPart10(source)).dataset), syntax);
        }
      });
    }

    it('from one compressed syntax to another', async () => {
      const kind = KINDS[1]!;
      const source = keep(imageOf(kind));
      for (const from of LOSSLESS) {
        const compressed = await transcodedFile(transcoder, source, from, folder);
        for (const to of LOSSLESS) assert.deepEqual(await cellsOf(await transcodedFile(transcoder, compressed, to, folder)), Buffer.from(pixelsOf(kind)), `${from} to ${to}`);
      }
    });
  });

  describe('keeps what it does not have to change', () => {
    it('the bytes as they are where the syntax is the same, odd as they may be', async () => {
      const body = [element('00080005', 'CS', 'ISO_IR 100'), element('00080000', 'UL', '\0\0\0\0'), element('00100010', 'PN', 'M\xfcller '), element('00110010', 'ZZ', 'ab')];
      const path = keep(file(EXPLICIT, ...body));
      assert.deepEqual(await transcoded(path, EXPLICIT), Buffer.concat(body));
    });

    it('text in its own character set, private, unknown and empty elements, to Implicit VR', async () => {
      const path = keep(
        file(
          EXPLICIT,
          element('00080005', 'CS', 'ISO_IR 100'),
          element('00090010', 'LO', 'ACME'),
          element('00091001', 'LO', 'caf\xe9'),
          element('00091002', 'UN', '\x01\x02\x03\x04'),
          element('00100010', 'PN', 'M\xfcller^J\xf6rg '),
          element('00100020', 'LO', ''),
        ),
      );
      const wanted = [
        implicit('00080005', 'ISO_IR 100'),
        implicit('00090010', 'ACME'),
        implicit('00091001', 'caf\xe9'),
        implicit('00091002', '\x01\x02\x03\x04'),
        implicit('00100010', 'M\xfcller^J\xf6rg '),
        implicit('00100020', ''),
      ];
      assert.equal((await transcoded(path, IMPLICIT)).toString('hex'), Buffer.concat(wanted).toString('hex'));
    });

    it('what Implicit VR does not say is UN, and comes back from it; sequences of undefined length as they are', async () => {
      const privateSequence = implicit('00091003', Buffer.concat([item(implicit('00080100', 'A '), UNDEFINED), itemEnd, sequenceEnd]), UNDEFINED);
      const body = Buffer.concat([implicit('00090010', 'ACME'), implicit('00091001', 'xy'), privateSequence, implicit('00100010', 'A^B ')]);
      const path = keep(file(IMPLICIT, body));
      const there = await transcodedFile(transcoder, path, EXPLICIT, folder);
      const { dataset: read } = await readPart10(there);
      assert.equal(read['00091001']?.vr, 'UN');
      assert.deepEqual(read['00091003']?.Value, [{ '00080100': { vr: 'SH', Value: ['A'] } }]);
      assert.equal((await transcoded(there, IMPLICIT)).toString('hex'), body.toString('hex'));
    });

    it('values of more than 64 KiB in a short VR as UN (PS3.5 6.2.2)', async () => {
      const path = keep(file(IMPLICIT, implicit('00100010', 'A^B '), implicit('00104000', 'x'.repeat(70_000))));
      const { dataset: read } = parsePart10(await transcoded(path, EXPLICIT), { transferSyntaxUid: EXPLICIT });
      assert.match(read['00104000']?.BulkDataURI ?? '', /length=70000$/);
    });

    it('words of every VR in the other byte order, and back', async () => {
      const ds = dataset({
        SOPClassUID: '1.2.840.10008.5.1.4.1.1.66',
        SOPInstanceUID: '2.25.9',
        FrameIncrementPointer: ['00181063'],
        Rows: 258,
        PixelPaddingValue: 772,
        SimpleFrameList: [1, 65_536],
        ReferencePixelX0: -2,
        EventTimeOffset: 1.25,
        RedPaletteColorLookupTableData: Uint8Array.of(1, 2, 3, 4),
        VectorGridData: new Uint8Array(Float32Array.of(1.5, -2).buffer),
        DoubleFloatRealWorldValueFirstValueMapped: 2.5,
        TrackPointIndexList: new Uint8Array(Uint32Array.of(7, 8).buffer),
        ContentSequence: [{ Rows: 3, ConceptNameCodeSequence: [code('121071', 'DCM', 'Finding')] }, {}],
      });
      const path = keep(writePart10(ds));
      const big = await transcoded(path, BIG_ENDIAN);
      assert.deepEqual(parsePart10(big, { transferSyntaxUid: BIG_ENDIAN }).dataset, parsePart10(writeDataset(ds, BIG_ENDIAN), { transferSyntaxUid: BIG_ENDIAN }).dataset);
      const back = await transcoded(await transcodedFile(transcoder, path, BIG_ENDIAN, folder), EXPLICIT);
      assert.deepEqual(parsePart10(back, { transferSyntaxUid: EXPLICIT }).dataset, (await readPart10(path)).dataset);
    });

    it('overlays in the unused bits of old images', async () => {
      const kind = { ...KINDS[1]!, columns: 32, rows: 32 };
      const cells = new Uint16Array(1024).map((_, index) => (index % 4096) | (index % 3 === 0 ? 0x8000 : 0));
      const source = keep(imageOf({ ...kind, extra: { OverlayBitPosition: 15, PixelData: new Uint8Array(cells.buffer) } }).with(0, 0));
      const path = keep(writePart10({ ...(await readPart10(source)).dataset, [tagOf('PixelData')]: { vr: 'OW', bytes: new Uint8Array(cells.buffer) } }));
      for (const syntax of LOSSLESS) {
        const back = await readPart10(await transcodedFile(transcoder, await transcodedFile(transcoder, path, syntax, folder), EXPLICIT, folder));
        const stored = new Uint16Array(Uint8Array.from(await readFrame(back, 1)).buffer).map((cell) => cell & 0xfff);
        assert.deepEqual(stored, cells.map((cell) => cell & 0xfff), syntax);
      }
    });
  });

  it('streams uncompressed pixel data of 2 GB in another encoding, holding little of it', async function () {
    this.timeout(60_000);
    const bytes = 2 ** 31;
    const head = Buffer.concat([file(EXPLICIT, element('00280010', 'US', '\0\x80'), element('00280100', 'US', '\x10\0')), element('7FE00010', 'OW', '', bytes)]);
    const path = keep(head);
    truncateSync(path, head.length + bytes);
    let [length, most] = [0, 0];
    const before = process.memoryUsage.rss();
    for await (const chunk of await transcoder.dataset(await archivedFile(path), BIG_ENDIAN)) {
      length += chunk.length;
      if (length % 2 ** 26 < chunk.length) most = Math.max(most, process.memoryUsage.rss() - before);
    }
    assert.equal(length, 10 + 10 + 12 + bytes);
    assert.ok(most < 100e6, `${most}`);
  });

  describe('refuses before the first byte', () => {
    const refused = (path: string, to: string, message: RegExp): Promise<void> =>
      assert.rejects(async () => transcoder.dataset(await archivedFile(path), to), (error: unknown) => error instanceof NotTranscodableError && message.test(error.message));

    it('a syntax that there is no encoder for', () => refused(keep(imageOf(KINDS[0]!)), '1.2.840.10008.1.2.4.100', /no way from Explicit/));
    it('an object without pixels in a syntax for pixels', () =>
      refused(keep(writePart10(dataset({ SOPClassUID: '1.2', SOPInstanceUID: '1.3' }))), '1.2.840.10008.1.2.4.90', /no pixel data/));
    it('single bits', () => refused(keep(writePart10(dataset({ ...BITMAP }))), '1.2.840.10008.1.2.4.90', /single bits/));
    it('12 bits as JPEG baseline', () => refused(keep(imageOf(KINDS[1]!)), '1.2.840.10008.1.2.4.50', /8 bits alone/));
    it('a first frame that is damaged', async () => {
      const path = await transcodedFile(transcoder, keep(imageOf(KINDS[1]!)), '1.2.840.10008.1.2.4.90', folder);
      const bytes = await readAll(path);
      bytes.fill(0, bytes.length - 400, bytes.length - 8);
      await refused(keep(bytes), EXPLICIT, /Frame 1 cannot be transcoded/);
    });
  });

  it('refuses a file that was cut since it was kept, also where nothing need change', async () => {
    const instance = await archivedFile(keep(imageOf(KINDS[1]!)));
    truncateSync(instance.path, instance.bytes - 100);
    await assert.rejects(transcoder.dataset(instance, instance.transferSyntaxUid), /has \d+ bytes where the index has \d+/);
  });

  it('gives frames one by one: as kept, as raw pixels, as codestreams', async () => {
    const kind = KINDS.find(({ frames }) => frames === 3)!;
    const frameBytes = pixelsOf(kind).length / 3;
    const instance = await archivedFile(await transcodedFile(transcoder, keep(imageOf(kind)), BIG_ENDIAN, folder));
    const digests = async (to: string | undefined): Promise<[number, string, string][]> => {
      const seen: [number, string, string][] = [];
      for await (const { frame, transferSyntaxUid, content } of transcoder.frames(instance, [3, 1], to)) seen.push([frame, transferSyntaxUid, digest(await content.whole())]);
      return seen;
    };
    const raw = (frame: number): string => digest(pixelsOf(kind).subarray((frame - 1) * frameBytes, frame * frameBytes));
    assert.deepEqual(await digests(undefined), [[3, EXPLICIT, raw(3)], [1, EXPLICIT, raw(1)]]);
    assert.deepEqual(await digests(EXPLICIT), [[3, EXPLICIT, raw(3)], [1, EXPLICIT, raw(1)]]);
    const coded = await digests('1.2.840.10008.1.2.4.80');
    assert.deepEqual(coded.map(([frame, syntax]) => [frame, syntax]), [[3, '1.2.840.10008.1.2.4.80'], [1, '1.2.840.10008.1.2.4.80']]);
  });

  it('stops when the caller has gone', async () => {
    const stop = new AbortController();
    const instance = await archivedFile(keep(imageOf({ ...KINDS[1]!, frames: 5 })));
    const frames = transcoder.frames(instance, [1, 2, 3, 4, 5], '1.2.840.10008.1.2.4.90', stop.signal)[Symbol.asyncIterator]();
    await frames.next();
    stop.abort(new Error('gone'));
    await assert.rejects(async () => {
      for (;;) if ((await frames.next()).done) return;
    }, /gone/);
  });

  it('tells that the caller has gone to whoever takes the dataset, and to nobody where nobody does', async () => {
    const instance = await archivedFile(keep(imageOf(KINDS[1]!)));
    for (const to of [instance.transferSyntaxUid, IMPLICIT]) {
      const stop = new AbortController();
      const [before, never] = [await transcoder.dataset(instance, to, stop.signal), await transcoder.dataset(instance, to, stop.signal)];
      stop.abort(new Error('gone'));
      const after = await transcoder.dataset(instance, to, stop.signal);
      // An error that no listener takes would come now, and end the process.
      await setTimeout(50);
      assert.ok(never);
      for (const taken of [before, after]) await assert.rejects(async () => void (await taken[Symbol.asyncIterator]().next()), to);
    }
  });
});

const BITMAP = {
  SOPClassUID: '1.2.840.10008.5.1.4.1.1.66.4',
  SOPInstanceUID: '2.25.8',
  Rows: 8,
  Columns: 8,
  SamplesPerPixel: 1,
  PhotometricInterpretation: 'MONOCHROME2',
  BitsAllocated: 1,
  BitsStored: 1,
  HighBit: 0,
  PixelRepresentation: 0,
  PixelData: new Uint8Array(8),
};

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

async function readAll(path: string): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of createReadStream(path)) parts.push(chunk as Uint8Array);
  return Buffer.concat(parts);
}

function withoutLayout(ds: Dataset): Dataset {
  return Object.fromEntries(Object.entries(ds).filter(([tag]) => tag !== tagOf('PlanarConfiguration')));
}
