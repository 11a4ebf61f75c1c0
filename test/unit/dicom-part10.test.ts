import assert from 'node:assert/strict';
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { dataset, items, num, nums, text } from '../../storage/dicom/dataset.ts';
import { parsePart10, readBulk, readPart10, type Part10 } from '../../storage/dicom/part10.ts';
import { writeDataset, writePart10 } from '../../storage/dicom/write.ts';
import { DicomFormatError } from '../../storage/errors.ts';
import { UNDEFINED, element, file, implicit, item, itemEnd, sequenceEnd } from '../support/dicom-bytes.ts';
import { inTemporaryFolder } from '../support/temporary-folder.ts';

const IMPLICIT = '1.2.840.10008.1.2';
const EXPLICIT = '1.2.840.10008.1.2.1';
const BIG_ENDIAN = '1.2.840.10008.1.2.2';
const DEFLATED = '1.2.840.10008.1.2.1.99';
const RLE = '1.2.840.10008.1.2.5';

const HEADER = dataset({ SOPClassUID: '1.2.840.10008.5.1.4.1.1.1', SOPInstanceUID: '1.2.3', PatientID: 'P1', Rows: 2, Columns: 2 });
const SOP = element('00080018', 'UI', '1.2.3\0');
const REFERENCES = (content: Uint8Array, length?: number): Buffer => element('00081199', 'SQ', content, length);

/** Both readers, which must agree: in memory, and by pread from a file. */
async function read(bytes: Uint8Array): Promise<Part10> {
  return inTemporaryFolder(async (folder) => {
    const path = join(folder, 'instance.dcm');
    await writeFile(path, bytes);
    const [fromFile, fromMemory] = await Promise.allSettled([readPart10(path), Promise.resolve().then(() => parsePart10(bytes))]);
    if (fromFile.status === 'rejected' || fromMemory.status === 'rejected') {
      const reasons = [fromFile, fromMemory].map((result) => (result.status === 'rejected' ? String(result.reason) : 'read'));
      assert.equal(reasons[0], reasons[1]);
      throw (fromFile as PromiseRejectedResult).reason;
    }
    const { bytes: _, ...rest } = fromMemory.value;
    assert.deepEqual({ ...rest, path }, fromFile.value);
    return fromMemory.value;
  });
}

function refuses(bytes: Uint8Array, message: RegExp, offset?: number): Promise<void> {
  return assert.rejects(read(bytes), (error) => {
    assert.ok(error instanceof DicomFormatError, String(error));
    assert.match(error.message, message);
    if (offset !== undefined) assert.equal(error.offset, offset);
    return true;
  });
}

describe('reading a DICOM file that is not quite as the standard has it', () => {
  it('finds the dataset without preamble, without file meta, or without Transfer Syntax UID', async () => {
    for (const [transferSyntaxUid, name] of [[EXPLICIT, 'explicit'], [IMPLICIT, 'implicit'], [BIG_ENDIAN, 'big endian']] as const) {
      const bare = writeDataset(HEADER, transferSyntaxUid);
      const whole = writePart10(HEADER, { transferSyntaxUid });
      for (const bytes of [bare, whole, whole.subarray(132), whole.subarray(128), Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), bare])]) {
        const found = await read(bytes);
        assert.equal(found.transferSyntaxUid, transferSyntaxUid, name);
        assert.equal(text(found.dataset, 'PatientID'), 'P1');
      }
      assert.equal((await read(whole)).preamble, true);
      assert.equal((await read(bare)).preamble, false);
    }
  });

  it('takes the transfer syntax that it is told for a bare dataset', () => {
    const bare = deflateRawSync(writeDataset(HEADER, EXPLICIT));
    assert.equal(text(parsePart10(bare, { transferSyntaxUid: DEFLATED }).dataset, 'PatientID'), 'P1');
  });

  it('reads a dataset whose file meta tells the wrong native syntax, and says the right one', async () => {
    const found = await read(file(EXPLICIT, implicit('00080018', '1.2.3\0'), implicit('00280010', '\x02\0')));
    assert.equal(found.transferSyntaxUid, IMPLICIT);
    assert.equal(num(found.dataset, 'Rows'), 2);
    assert.equal((await read(file(IMPLICIT, SOP))).transferSyntaxUid, EXPLICIT);
  });

  it('reads deflated datasets, in pieces', async () => {
    const pixels = Buffer.alloc(300_000, 7);
    const { pixelData, dataset: header } = await read(writePart10({ ...HEADER, '7FE00010': { vr: 'OW', bytes: pixels } }, { transferSyntaxUid: DEFLATED }));
    assert.equal(pixelData?.length, 300_000);
    assert.equal(text(header, 'PatientID'), 'P1');
  });

  it('reads a deflated dataset whose last element is shorter than the longest header', async () => {
    for (const value of ['', 'ab', 'abcd']) {
      const found = await read(file(DEFLATED, deflateRawSync(Buffer.concat([SOP, element('00100020', 'LO', value)]))));
      assert.equal(text(found.dataset, 'PatientID') ?? '', value);
    }
  });

  it('passes over group lengths, padding elements, odd lengths and zeros at the end', async () => {
    const bytes = file(
      EXPLICIT,
      element('00080000', 'UL', '\x0e\0\0\0'),
      SOP,
      element('00100020', 'LO', 'odd'),
      element('FFFCFFFC', 'OB', '\0\0'),
      Buffer.alloc(1001),
    );
    const found = await read(bytes);
    assert.deepEqual(Object.keys(found.dataset), ['00080018', '00100020']);
    assert.equal(text(found.dataset, 'PatientID'), 'odd');
  });

  it('reads sequences of defined and undefined length, empty ones, and delimiters where none is needed', async () => {
    const inner = element('00081155', 'UI', '1.9\0');
    const variants = [
      REFERENCES(item(inner)),
      REFERENCES(Buffer.concat([item(inner, UNDEFINED), itemEnd])),
      REFERENCES(Buffer.concat([item(inner), sequenceEnd]), UNDEFINED),
      REFERENCES(Buffer.concat([item(inner, UNDEFINED), itemEnd, sequenceEnd]), UNDEFINED),
      REFERENCES(Buffer.concat([item(Buffer.concat([inner, itemEnd])), sequenceEnd])),
    ];
    for (const sequence of variants) {
      const { dataset: header } = await read(file(EXPLICIT, SOP, sequence, element('00100020', 'LO', 'after ')));
      assert.equal(text(items(header, 'ReferencedSOPSequence')[0]!, 'ReferencedSOPInstanceUID'), '1.9');
      assert.equal(text(header, 'PatientID'), 'after');
    }
    const { dataset: header } = await read(file(EXPLICIT, SOP, REFERENCES(sequenceEnd, UNDEFINED), element('00400275', 'SQ')));
    assert.deepEqual([header['00081199'], header['00400275']], [{ vr: 'SQ' }, { vr: 'SQ' }]);
  });

  it('understands sequences in UN, implicit inside as the standard wants and explicit as some write', async () => {
    const inside = item(implicit('00081155', '1.9\0'));
    for (const bytes of [
      element('00081199', 'UN', inside),
      element('00081199', 'UN', Buffer.concat([inside, sequenceEnd]), UNDEFINED),
      element('00081199', 'UN', item(element('00081155', 'UI', '1.9\0'))),
    ]) {
      const { dataset: header } = await read(file(EXPLICIT, SOP, bytes));
      assert.equal(text(items(header, 'ReferencedSOPSequence')[0]!, 'ReferencedSOPInstanceUID'), '1.9');
    }
    const { dataset: header } = await read(file(EXPLICIT, SOP, element('00091010', 'UN', Buffer.concat([inside, sequenceEnd]), UNDEFINED)));
    assert.equal(header['00091010']?.vr, 'SQ');
  });

  it('reads known elements in UN, unknown VRs, elements without VR, and numbers of the wrong length', async () => {
    const { dataset: header } = await read(
      file(
        EXPLICIT,
        element('00080018', 'UN', '1.2.3\0'),
        Buffer.from([0x09, 0x00, 0x01, 0x10, 0x5a, 0x5a, 0x02, 0x00, 0x61, 0x62]), // ZZ with a short length
        Buffer.from([0x09, 0x00, 0x02, 0x10, 0x5a, 0x59, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x61, 0x62]), // ZY with a long one
        implicit('00100020', 'P1'),
        element('00280010', 'US', '\x02\0\x03'),
      ),
    );
    assert.equal(text(header, 'SOPInstanceUID'), '1.2.3');
    assert.deepEqual(header['00091001'], { vr: 'UN', InlineBinary: 'YWI=' });
    assert.deepEqual(header['00091002'], { vr: 'UN', InlineBinary: 'YWI=' });
    assert.equal(text(header, 'PatientID'), 'P1');
    assert.deepEqual(nums(header, 'Rows'), [2]);
  });

  it('gives IS and DS as numbers where they are, and as text where they are not', async () => {
    const { dataset: header } = await read(
      file(EXPLICIT, SOP, element('00200013', 'IS', '+007'), element('00280030', 'DS', ' 0.5 \\1e-2 '), element('00281050', 'DS', '1,5\\40')),
    );
    assert.deepEqual(header['00200013']?.Value, [7]);
    assert.deepEqual(header['00280030']?.Value, [0.5, 0.01]);
    assert.deepEqual(header['00281050']?.Value, ['1,5', 40]);
  });

  it('reads US or SS by Pixel Representation in Implicit VR', async () => {
    const bytes = file(IMPLICIT, implicit('00080018', '1.2.3\0'), implicit('00280103', '\x01\0'), implicit('00280120', '\xff\xff'));
    assert.deepEqual((await read(bytes)).dataset['00280120'], { vr: 'SS', Value: [-1] });
  });

  it('keeps JSON what JSON cannot say: not-a-number, and integers of 64 bits', async () => {
    const nan = Buffer.alloc(16);
    nan.writeDoubleLE(NaN, 0);
    nan.writeDoubleLE(-Infinity, 8);
    const { dataset: header } = await read(file(EXPLICIT, SOP, element('00189073', 'FD', nan), element('00091001', 'UV', Buffer.alloc(8, 255))));
    assert.deepEqual(header['00189073']?.Value, ['NaN', '-Infinity']);
    assert.deepEqual(header['00091001']?.Value, ['18446744073709551615']);
  });

  it('leaves long values and pixel data out of the header, and reads them when they are asked for', async () => {
    const long = Buffer.alloc(70_000, 0x41);
    const bytes = file(EXPLICIT, SOP, element('00420011', 'OB', long), element('7FE00010', 'OW', Buffer.alloc(8)));
    const found = await read(bytes);
    assert.equal(found.bulk.length, 1);
    assert.equal(found.dataset['00420011']?.InlineBinary, undefined);
    assert.deepEqual(Buffer.from(await readBulk(found, found.dataset['00420011']!)), long);
    assert.equal(found.dataset['7FE00010'], undefined);
    assert.deepEqual(bytes.length - found.pixelData!.offset, 8);
  });

  it('leaves out a sequence as a whole when it is too long for a header, and keeps what is around it', async () => {
    const big = REFERENCES(Buffer.concat(Array.from({ length: 100 }, () => item(element('00091001', 'OB', Buffer.alloc(60_000))))));
    const found = await read(file(EXPLICIT, SOP, big, element('00100020', 'LO', 'P1')));
    assert.deepEqual(found.bulk.map(({ tag, vr, length }) => ({ tag, vr, length })), [{ tag: '00081199', vr: 'SQ', length: big.length - 12 }]);
    assert.equal(found.dataset['00081199']?.Value, undefined);
    assert.equal(text(found.dataset, 'PatientID'), 'P1');
  });

  it('walks 2 GB of pixel data and 3,000 fragments without reading them', async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, 'long.dcm');
      const handle = await open(path, 'w');
      const length = 2 ** 31;
      const start = file(EXPLICIT, SOP, element('7FE00010', 'OW', '', length));
      await handle.write(start);
      await handle.truncate(start.length + length); // sparse: takes no room
      await handle.close();
      const before = process.memoryUsage().rss;
      const { pixelData } = await readPart10(path);
      assert.equal(pixelData?.length, length);
      assert.ok(process.memoryUsage().rss - before < 50e6);
    });
    const fragments = Buffer.concat([implicit('FFFEE000'), ...Array.from({ length: 3000 }, () => item(Buffer.alloc(50))), sequenceEnd]);
    const { pixelData } = await read(file(RLE, SOP, element('7FE00010', 'OB', fragments, UNDEFINED)));
    assert.deepEqual([pixelData?.encapsulated, pixelData?.length], [true, fragments.length]);
  });
});

describe('reading a broken DICOM file', () => {
  const good = file(EXPLICIT, SOP, REFERENCES(Buffer.concat([item(element('00081155', 'UI', '1.9\0'), UNDEFINED), itemEnd, sequenceEnd]), UNDEFINED), element('00100020', 'LO', 'P1'));
  const datasetOffset = 132 + element('00020010', 'UI', `${EXPLICIT}\0`).length;

  it('says that what is no DICOM is none', async () => {
    await refuses(Buffer.alloc(0), /empty/, 0);
    await refuses(Buffer.from('text\n'), /not a DICOM file/, 0);
    await refuses(Buffer.from('<html><body>404</body></html>'), /not a DICOM file/, 0);
    await refuses(Buffer.from('\x89PNG\r\n\x1a\n'.padEnd(5000, 'x'), 'latin1'), /not a DICOM file/, 0);
    await refuses(Buffer.alloc(4096), /not a DICOM file/, 0);
  });

  it('finds every cut: no prefix of a file passes for the whole, but at the end of an element', async () => {
    const ends = new Set<number>();
    for (let length = 1; length < good.length; length++) {
      try {
        parsePart10(good.subarray(0, length));
        ends.add(length);
      } catch (error) {
        assert.ok(error instanceof DicomFormatError, String(error));
      }
    }
    assert.deepEqual([...ends].filter((length) => length >= datasetOffset), [datasetOffset, datasetOffset + SOP.length, good.length - 10]);
    await read(good);
  });

  it('names the element and the place of a length that reaches beyond the file', async () => {
    await refuses(file(EXPLICIT, SOP, element('00100020', 'LO', 'P1', 5000)), /^\(0010,0020\) PatientID is 5000 bytes long, but the file has only 2 left/, datasetOffset + SOP.length);
    await refuses(file(EXPLICIT, SOP, element('7FE00010', 'OW', 'ab', 2 ** 32 - 2)), /PixelData is 4294967294 bytes long/);
    const deflated = file(DEFLATED, deflateRawSync(element('7FE00010', 'OW', 'ab', 5000)));
    assert.throws(() => parsePart10(deflated), /PixelData is 5000 bytes long/);
    // From a file, the end of what is inflated is known only once it is reached.
    await inTemporaryFolder(async (folder) => {
      await writeFile(join(folder, 'deflated.dcm'), deflated);
      await assert.rejects(readPart10(join(folder, 'deflated.dcm')), /cut off in the value of \(7FE0,0010\) PixelData/);
    });
  });

  it('finds values that reach beyond their item, and items beyond their sequence', async () => {
    await refuses(file(EXPLICIT, SOP, REFERENCES(item(element('00081155', 'UI', '1.9\0', 40))), Buffer.alloc(100)), /but what encloses it has only 4 left/);
    await refuses(file(EXPLICIT, SOP, REFERENCES(item(element('00081155', 'UI', '1.9\0'), 60)), element('00100020', 'LO', 'P1'.repeat(50))), /an item of \(0008,1199\) ReferencedSOPSequence is 60 bytes long/);
  });

  it('finds missing delimiters', async () => {
    const open = item(element('00081155', 'UI', '1.9\0'), UNDEFINED);
    await refuses(file(EXPLICIT, SOP, REFERENCES(Buffer.concat([open, sequenceEnd]), UNDEFINED)), /an item of \(0008,1199\) ReferencedSOPSequence has no delimiter/);
    await refuses(file(EXPLICIT, SOP, REFERENCES(open, UNDEFINED)), /an item of \(0008,1199\) ReferencedSOPSequence, which has no delimiter/);
    await refuses(file(EXPLICIT, SOP, REFERENCES(item(Buffer.alloc(0)), UNDEFINED), element('00100020', 'LO', 'P1')), /PatientID where an item should be/);
    await refuses(file(RLE, SOP, element('7FE00010', 'OB', Buffer.concat([item(Buffer.alloc(0)), item(Buffer.alloc(8))]), UNDEFINED)), /which has no sequence delimiter/);
    await refuses(file(EXPLICIT, SOP, itemEnd), /\(FFFE,E00D\) ItemDelimitationItem cannot stand here/);
  });

  it('finds bytes after the end, and pixel data that is longer than its length says', async () => {
    await refuses(Buffer.concat([good, Buffer.from('trailing garbage')]), /no value representation|cannot stand here|bytes long/);
    await refuses(Buffer.concat([good, Buffer.from([1, 2, 3])]), /3 bytes too many/);
    const pixels = Buffer.concat([Buffer.alloc(8), Buffer.from('10000800434810'.repeat(20), 'hex')]);
    await refuses(file(EXPLICIT, SOP, element('7FE00010', 'OW', pixels, 8)), /\(0010,0008\)/);
  });

  it('bounds what it takes: nesting, header, file meta', async () => {
    let nested: Buffer = element('00081155', 'UI', '1.9\0');
    for (let depth = 0; depth < 64; depth++) nested = REFERENCES(item(nested));
    await read(file(EXPLICIT, SOP, nested));
    await refuses(file(EXPLICIT, SOP, REFERENCES(item(nested))), /nested more than 64 deep/);
    const many = Array.from({ length: 600 }, (_, index) => element(`0009${(0x1000 + index).toString(16)}`, 'OB', Buffer.alloc(60_000)));
    await refuses(file(EXPLICIT, SOP, ...many), /the header is longer than 33554432 bytes/);
  });

  it('finds deflated bytes that are broken or cut off', async () => {
    const deflated = deflateRawSync(writeDataset({ ...HEADER, '7FE00010': { vr: 'OW', bytes: Buffer.alloc(100_000, 3) } }, EXPLICIT));
    await assert.rejects(read(file(DEFLATED, deflated.subarray(0, 60))), DicomFormatError);
    await refuses(file(DEFLATED, Buffer.alloc(100, 0xff)), /cannot be inflated/, 132 + element('00020010', 'UI', DEFLATED).length);
  });
});
