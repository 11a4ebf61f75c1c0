// Pictures on their way through the pipeline as DICOM.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import type { EvaluationCase } from '../../ai/evaluation/cases/case.ts';
import { isPicture, wrapImage } from '../../ai/evaluation/wrap-image.ts';
import { prepare } from '../../ai/runtime/prepare.ts';
import type { Prepared } from '../../ai/runtime/prepare.ts';
import { text } from '../../storage/dicom/dataset.ts';
import { inTemporaryFolder } from '../support/temporary-folder.ts';

const SIDE = 65;
const INPUT = { tensor: 'image', width: SIDE, height: SIDE, channels: 1 as const, range: [0, 1] as [number, number], mean: [0], std: [1], fit: 'stretch' as const };
const APPLICABILITY = { modalities: ['DX'], views: ['PA', 'AP', ''], bodyParts: ['CHEST'], ageUnknown: 'accept' as const };
const told = (path: string, more: Partial<EvaluationCase> = {}): EvaluationCase => ({ name: 'x', path, told: '', words: [], boxes: [], frame: 1, columns: {}, ...more });

/** A slope from dark to bright; an odd number of pixels. */
const GRAY = Uint8Array.from({ length: SIDE * SIDE }, (_, at) => 20 + (at % SIDE) * 3);
const raw = { width: SIDE, height: SIDE, channels: 1 as const };

async function through(picture: Buffer): Promise<Prepared> {
  return inTemporaryFolder(async (folder) => {
    await writeFile(join(folder, 'picture'), picture);
    assert.equal(await isPicture(join(folder, 'picture')), true);
    const { bytes } = await wrapImage(told(join(folder, 'picture')));
    await writeFile(join(folder, 'wrapped.dcm'), bytes);
    return prepare({ path: join(folder, 'wrapped.dcm'), frame: 1, input: INPUT, applicability: APPLICABILITY });
  });
}

describe('a picture wrapped as DICOM', () => {
  it('comes out of the pipeline with the very gray values that it has, however it was saved', async () => {
    const gray = sharp(GRAY, { raw });
    const pictures = {
      'gray PNG': await gray.clone().png().toBuffer(),
      'PNG in colours that are gray': await gray.clone().toColourspace('srgb').png().toBuffer(),
      'PNG with an opaque alpha channel': await gray.clone().ensureAlpha().png().toBuffer(),
    };
    for (const [what, picture] of Object.entries(pictures)) {
      const prepared = await through(picture);
      assert.ok(prepared.status === 'ready', what);
      assert.deepEqual(Uint8Array.from(prepared.pixels), GRAY, what);
    }
  });

  it('takes a JPEG, to the rounding of its compression', async () => {
    const prepared = await through(await sharp(GRAY, { raw }).jpeg({ quality: 98 }).toBuffer());
    assert.ok(prepared.status === 'ready');
    assert.ok(prepared.pixels.every((value, at) => Math.abs(value - GRAY[at]!) <= 3));
  });

  it('shows 16 bits over what they span, whatever part of them is used', async () => {
    const deep = Uint16Array.from(GRAY, (value) => value * 16);
    const prepared = await through(await sharp(deep, { raw: { ...raw, depth: 'ushort' } as never }).toColourspace('grey16').png().toBuffer());
    assert.ok(prepared.status === 'ready');
    assert.ok(Math.min(...prepared.pixels) < 10 && Math.max(...prepared.pixels) > 245, `${Math.min(...prepared.pixels)} to ${Math.max(...prepared.pixels)}`);
  });

  it('is not analysable where it is a photograph in colour', async () => {
    const colours = await sharp({ create: { width: 80, height: 80, channels: 3, background: '#c02010' } }).png().toBuffer();
    const prepared = await through(colours);
    assert.deepEqual([prepared.status, 'reason' in prepared && prepared.reason], ['not-analyzable', 'colour picture; the model is meant for radiographs']);
  });

  it('says in its header what the list says of patient and view', async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, 'a.png');
      await sharp(GRAY, { raw }).png().toFile(path);
      const { header } = await wrapImage(told(path, { patient: 'p1', ageYears: 0.5, sex: 'female', view: 'ap', manufacturer: 'Acme' }));
      assert.deepEqual(['PatientID', 'PatientAge', 'PatientSex', 'ViewPosition', 'Manufacturer'].map((keyword) => text(header, keyword)), ['p1', '006M', 'F', 'AP', 'Acme']);
    });
  });

  it('is not what DICOM and text are', async () => {
    await inTemporaryFolder(async (folder) => {
      await writeFile(join(folder, 'a'), 'DICM');
      await writeFile(join(folder, 'empty'), '');
      assert.deepEqual(await Promise.all(['a', 'empty'].map((name) => isPicture(join(folder, name)))), [false, false]);
    });
  });
});
