import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { encodeOverlays, SECONDARY_CAPTURE } from '../../ai/results/overlay.ts';
import { LONGEST_SIDE, SMALLEST_WIDTH, overlayGeometry } from '../../ai/results/overlay/geometry.ts';
import { legendLines } from '../../ai/results/overlay/legend.ts';
import { cutOff, fitLine, setLine } from '../../ai/results/overlay/lettering.ts';
import { overlayPng, renderOverlay } from '../../ai/results/overlay/render.ts';
import type { OutcomeImage, StudyOutcome } from '../../ai/results/outcome.ts';
import { get, items, num, nums, personName, text, texts, type Dataset } from '../../storage/dicom/dataset.ts';
import { parsePart10 } from '../../storage/dicom/part10.ts';
import { BACTERIAL, NOTHING_FOUND, TYPE_LABELS, analyzed, outcomeImage, radiographFile, radiographHeader, studyOutcome } from '../support/results.ts';

const REGIONS = [
  { x: 40, y: 120, width: 100, height: 90, label: 'opacity', score: 0.91, trackingUid: '2.25.501' },
  { x: 220, y: 20.5, width: 60, height: 200, label: 'opacity', score: 0.443, trackingUid: '2.25.502' },
];

function legendWords(study: StudyOutcome): string[] {
  return study.images.flatMap((image) =>
    image.outcome.status === 'analyzed'
      ? legendLines(study, image, image.outcome, '2026-11-20 14:12:05 +01:00').flatMap((line) => line.map((entry) => entry!.text))
      : [],
  );
}

describe('the overlay', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hilum-overlay-'));
  });
  after(() => rm(folder, { recursive: true }));

  async function sourceImage(outcome: OutcomeImage['outcome'], values: Record<string, unknown> = {}): Promise<OutcomeImage> {
    const size = { Rows: 300, Columns: 320, ...values };
    const path = join(folder, `${randomUUID()}.dcm`);
    await writeFile(path, radiographFile(size));
    return outcomeImage(outcome, { path, header: radiographHeader(size) });
  }

  async function overlay(outcome: OutcomeImage['outcome'], values: Record<string, unknown> = {}): Promise<Dataset> {
    const [result] = await encodeOverlays(studyOutcome([await sourceImage(outcome, values)]));
    return parsePart10(result!.bytes).dataset;
  }

  it('names the finding of a model that tells two apart, and what is compared with its threshold', () => {
    const words = legendWords(studyOutcome([outcomeImage(BACTERIAL)], { labels: TYPE_LABELS }));
    assert.equal(words[0], 'Bacterial pneumonia found');
    assert.equal(words[1], 'Together 93 % (threshold 50 %): bacterial 60 %, viral 33 %');
  });

  it('draws the edge of every box where region times scale plus offset says', async () => {
    const image = await sourceImage(analyzed({ regions: REGIONS }));
    const { geometry, rgb } = await renderOverlay(studyOutcome([image]), image);
    const yellow = (x: number, y: number): boolean => {
      const at = (Math.round(y) * geometry.width + Math.round(x)) * 3;
      return rgb[at]! > 200 && rgb[at + 1]! > 160 && rgb[at + 2]! < 120;
    };
    for (const region of REGIONS) {
      const x0 = region.x * geometry.scale + geometry.offsetX;
      const x1 = (region.x + region.width) * geometry.scale + geometry.offsetX;
      const y0 = region.y * geometry.scale + geometry.offsetY;
      const y1 = (region.y + region.height) * geometry.scale + geometry.offsetY;
      const middle = [(x0 + x1) / 2, (y0 + y1) / 2] as const;
      const near = (x: number, y: number): boolean => [-1, 0].some((dx) => [-1, 0].some((dy) => yellow(x + dx, y + dy)));
      assert.ok(near(x0, middle[1]) && near(x1, middle[1]) && near(middle[0], y0) && near(middle[0], y1), JSON.stringify(region));
      assert.ok(!yellow(...middle), 'nothing is drawn over the finding');
    }
  });

  it('leaves the image itself as it is displayed, with the legend beneath it', async () => {
    const image = await sourceImage(NOTHING_FOUND);
    const { geometry, rgb } = await renderOverlay(studyOutcome([image]), image);
    const gray = await sharp(rgb, { raw: { width: geometry.width, height: geometry.height, channels: 3 } })
      .extract({ left: 0, top: 0, width: geometry.width, height: geometry.legendTop })
      .raw()
      .toBuffer();
    assert.ok(gray.every((value, at) => value === gray[at - (at % 3)]), 'no coloured pixel in the image');
    const legend = rgb.subarray(geometry.legendTop * geometry.width * 3);
    assert.ok(legend.filter((value) => value > 200).length > 5000, 'a legend with text');
  });

  it('says in its legend what was found, by what, when with zone, and that it is for research', () => {
    const found = legendWords(studyOutcome([outcomeImage(analyzed({ regions: REGIONS }))]));
    assert.ok(found.includes('Opacity found'));
    assert.ok(found.includes('Probability 87 % (threshold 52 %)'));
    assert.ok(found.includes('2 regions   1: 91 %   2: 44 %'));
    assert.ok(found.includes('FOR RESEARCH USE ONLY - NOT FOR DIAGNOSIS'));
    assert.ok(found.includes('Analysed 2026-11-20 14:12:05 +01:00'));
    assert.ok(found.some((line) => line === 'AI model opacity 0.1.0, sha256 c0dec0dec0de (Hilum)'));
    assert.ok(legendWords(studyOutcome([outcomeImage(NOTHING_FOUND)])).includes('No opacity found'));
  });

  it('is an RGB secondary capture of its source, which it names, with patient and request', async () => {
    const ds = await overlay(analyzed({ regions: REGIONS }));
    assert.equal(text(ds, 'SOPClassUID'), SECONDARY_CAPTURE);
    assert.equal(text(ds, 'Modality'), 'OT');
    assert.equal(text(ds, 'ConversionType'), 'WSD');
    assert.deepEqual(texts(ds, 'ImageType'), ['DERIVED', 'SECONDARY']);
    assert.equal(text(ds, 'PhotometricInterpretation'), 'RGB');
    assert.equal(get(ds, 'PixelSpacing'), undefined);
    const source = items(ds, 'SourceImageSequence')[0]!;
    assert.equal(text(source, 'ReferencedSOPInstanceUID'), '2.25.1001');
    assert.equal(get(source, 'ReferencedFrameNumber'), undefined);
    assert.equal(personName(ds, 'PatientName')?.Ideographic, '山田^太郎');
    assert.equal(text(items(ds, 'RequestAttributesSequence')[0]!, 'RequestedProcedureID'), 'RP-9');
    assert.equal(text(ds, 'BurnedInAnnotation'), 'NO');
    assert.match(text(ds, 'DerivationDescription')!, /Overlay pixel = stored pixel \* 3\.125000 \+ \(0, 0\)/);
    const [width, height] = [num(ds, 'Columns')!, num(ds, 'Rows')!];
    const geometry = overlayGeometry(300, 320);
    assert.deepEqual([width, height], [geometry.width, geometry.height]);
  });

  it('stays lossy where its source was, and keeps the shape of pixels that are not square', async () => {
    const lossy = { LossyImageCompression: '01', LossyImageCompressionRatio: 9, LossyImageCompressionMethod: 'ISO_15444_1' };
    const ds = await overlay(NOTHING_FOUND, { ...lossy, ImagerPixelSpacing: [0.2, 0.1] });
    assert.equal(text(ds, 'LossyImageCompression'), '01');
    assert.deepEqual(nums(ds, 'LossyImageCompressionRatio'), [9]);
    assert.equal(text(ds, 'LossyImageCompressionMethod'), 'ISO_15444_1');
    assert.deepEqual(nums(ds, 'PixelAspectRatio'), [20000, 10000]);
  });

  it('is made for each analysed image and for no other, under its own UID, the same for the same outcome', async () => {
    const image = await sourceImage(analyzed({ regions: REGIONS }));
    const study = studyOutcome([outcomeImage({ status: 'failed', reason: 'x' }), image, outcomeImage({ status: 'not-analyzable', reason: 'y' })]);
    const results = await encodeOverlays(study);
    assert.equal(results.length, 1);
    assert.equal(results[0]!.sourceSopInstanceUid, '2.25.1001');
    assert.deepEqual((await encodeOverlays(study))[0], results[0]);
    const other = await encodeOverlays({ ...study, settingsDigest: 'other' });
    assert.notEqual(other[0]!.sopInstanceUid, results[0]!.sopInstanceUid);
    assert.equal(other[0]!.seriesInstanceUid, results[0]!.seriesInstanceUid);
  });

  it('comes as PNG for the page, small where wanted', async () => {
    const image = await sourceImage(analyzed({ regions: REGIONS }));
    const { width, height, format } = await sharp(await overlayPng(studyOutcome([image]), image, { maxSide: 200 })).metadata();
    assert.deepEqual([Math.max(width, height), format], [200, 'png']);
  });
});

describe('the geometry of an overlay', () => {
  it('keeps the longest side within 2,048 and the width at 1,000 or more, for any shape of image', () => {
    const sizes = [1, 64, 256, 440, 999, 1000, 1024, 1955, 2500, 3056, 4280, 20000];
    for (const rows of sizes) {
      for (const columns of sizes) {
        const geometry = overlayGeometry(rows, columns);
        const { width, height, imageWidth, imageHeight, offsetX, legendTop } = geometry;
        const message = `${columns} x ${rows}: ${JSON.stringify(geometry)}`;
        assert.ok(width <= LONGEST_SIDE && height <= LONGEST_SIDE && width >= SMALLEST_WIDTH, message);
        assert.ok(width % 2 === 0 && height % 2 === 0 && height - legendTop >= 0.15 * width, message);
        assert.ok(offsetX >= 0 && offsetX + imageWidth <= width && imageHeight <= legendTop, message);
      }
    }
  });

  it('shows an image that fits pixel for pixel', () => {
    assert.equal(overlayGeometry(1024, 1024).scale, 1);
  });
});

describe('lettering', () => {
  it('sets text without a font on the machine, accents and other scripts too, and never drops a character', () => {
    for (const sample of ['Opacity 91 %', 'é', 'Ł', 'Ж', 'Ω']) assert.ok(setLine(sample, 20).path.length > 20, sample);
    assert.equal(setLine('山', 20).path, setLine('?', 20).path);
    assert.ok(!setLine('Op. 0123456789 gjpqy%', 17.3, 'bold').path.includes('NaN'));
  });

  it('keeps a line within its room', () => {
    const line = fitLine('a very long model name that will not fit into the legend at all', 20, 200);
    assert.ok(line.width <= 200 && line.size < 20);
    assert.equal(fitLine('short', 20, 200).size, 20);
  });

  it('shows no part of a number where a line is cut off', () => {
    assert.equal(cutOff('Together 70 %: bacterial 40 %, viral 3'), 'Together 70 %: bacterial 40 %, viral...');
    assert.equal(cutOff('Together 70 %: bacterial 40 %'), 'Together 70 %: bacterial 40 %...');
    assert.equal(cutOff('Image 2.25.28064'), 'Image 2.25.28064...');
  });
});
