// The odd files that pydicom brings, transcoded to every way of writing a dataset: pydicom must read the same values and pixels.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatasetTranscoder } from '../../gateway/transcode/dataset-transcoder.ts';
import { NotTranscodableError } from '../../gateway/transcode/transcoder.ts';
import { inTemporaryFolder } from '../support/temporary-folder.ts';
import { archivedFile, transcodedFile } from '../support/transcoding.ts';

const FILES = '/usr/lib/python3/dist-packages/pydicom/data';
/** Cut off, or with elements in groups that are not allowed: never taken in. */
const BROKEN = new Set(['MR_truncated.dcm', 'rtplan_truncated.dcm', 'meta_missing_tsyntax.dcm', 'nested_priv_SQ.dcm', 'no_meta.dcm']);
const TARGETS = ['1.2.840.10008.1.2', '1.2.840.10008.1.2.1', '1.2.840.10008.1.2.2', '1.2.840.10008.1.2.1.99', '1.2.840.10008.1.2.5'];
/** What no syntax takes, or no decoder: colour of 32 bits, single bits in fragments, a codestream that lies about its size. */
const REFUSED = /^(SC_rgb_rle_32bit|SC_rgb_rle_32bit_2frame|liver_1frame|liver_expb_1frame|JPEG2000-embedded-sequence-delimiter)\.dcm /;

describe('transcoding odd files, as pydicom sees it', () => {
  const transcoder = new DatasetTranscoder();
  after(() => transcoder.close());

  it('keeps every value, and every pixel that was not lossy before', function () {
    this.timeout(180_000);
    return inTemporaryFolder(async (folder) => {
      const made: [original: string, transcoded: string, syntax: string][] = [];
      const refused: string[] = [];
      for (const name of ['test_files', 'charset_files']) {
        for (const file of readdirSync(join(FILES, name)).filter((one) => one.endsWith('.dcm') && !BROKEN.has(one))) {
          const path = join(FILES, name, file);
          const { transferSyntaxUid, frames } = await archivedFile(path);
          for (const to of TARGETS) {
            if (to === transferSyntaxUid || (frames === 0 && to.endsWith('.5'))) continue;
            try {
              made.push([path, await transcodedFile(transcoder, path, to, folder), to]);
            } catch (error) {
              if (!(error instanceof NotTranscodableError)) throw error;
              refused.push(`${file} ${to}: ${error.message}`);
            }
          }
        }
      }
      assert.deepEqual(refused.filter((one) => !REFUSED.test(one)), []);
      const list = join(folder, 'list.json');
      writeFileSync(list, JSON.stringify(made));
      const [compared, pixels, ...differences] = execFileSync('/usr/bin/python3', ['-W', 'ignore', '-c', COMPARE, list], { encoding: 'utf8', maxBuffer: 2 ** 26, stdio: ['ignore', 'pipe', 'ignore'] }).trim().split('\n');
      assert.deepEqual(differences, []);
      assert.equal(Number(compared), made.length);
      assert.ok(Number(pixels) > 150, `${pixels} images compared`);
    });
  });
});

/** Prints how many files and how many images were compared, then every difference. */
const COMPARE = `
import json, sys, pydicom, numpy
FOLLOWS = {0x00280004, 0x00280006, 0x00280102, 0x7FE00001, 0x7FE00002, 0x7FE00010}
LOSSY = {'1.2.840.10008.1.2.4.50', '1.2.840.10008.1.2.4.51', '1.2.840.10008.1.2.4.81', '1.2.840.10008.1.2.4.91'}
found = []
def compare(a, b, where, top):
    for e in a:
        if e.tag.element == 0 or e.tag == 0xFFFCFFFC or (top and e.tag in FOLLOWS): continue
        if e.tag not in b:
            found.append(f'{where}{e.tag} is missing'); continue
        f = b[e.tag]
        if e.VR == 'SQ' or f.VR == 'SQ':
            if e.VR != f.VR or len(e.value) != len(f.value): found.append(f'{where}{e.tag} is {f.VR}'); continue
            for i, (x, y) in enumerate(zip(e.value, f.value)): compare(x, y, f'{where}{e.tag}[{i}].', False)
            continue
        x, y = e.value, f.value
        if big and e.VR == 'OW' and y is not None and isinstance(y, bytes): y = numpy.frombuffer(y, '>u2').astype('<u2').tobytes()
        # Without VR in the file, pydicom takes those of its own list of private elements, or none at all.
        if e.tag.is_private and (implicit or big): continue
        if x != y and not (not x and not y) and not ('UN' in (e.VR, f.VR) and e.VR != f.VR): found.append(f'{where}{e.tag} {e.VR} {str(x)[:40]!r} is {f.VR} {str(y)[:40]!r}')
    for f in b:
        if f.tag not in a and not (top and f.tag in FOLLOWS): found.append(f'{where}{f.tag} is new')
files = images = 0
for original, transcoded, syntax in json.load(open(sys.argv[1])):
    where = f"{original.split('/')[-1]} to {syntax}: "
    implicit, big = syntax == '1.2.840.10008.1.2', syntax == '1.2.840.10008.1.2.2'
    a, b = pydicom.dcmread(original, force=True), pydicom.dcmread(transcoded)
    compare(a, b, where, True)
    files += 1
    if 'PixelData' not in a or a.file_meta.get('TransferSyntaxUID') in LOSSY: continue
    try: pixels = a.pixel_array
    except Exception: continue
    images += 1
    if not numpy.array_equal(pixels, b.pixel_array): found.append(f'{where}the pixels differ')
print(files)
print(images)
for one in found: print(one)
`;
