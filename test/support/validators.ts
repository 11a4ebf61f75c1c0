// What the field's validators say of a DICOM file, and what a person would see in an overlay.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { overlayGeometry } from '../../ai/results/overlay/geometry.ts';
import { runTool } from './peers.ts';

const PIXELMED = '/usr/share/java/pixelmed.jar';

/** dciodvfy knows the IOD, and finds no error. */
export async function assertValidIod(path: string, what: string): Promise<void> {
  const { output } = await runTool('dciodvfy', [path]);
  assert.match(output, /^(Comprehensive3DSR|ComprehensiveSR|SCImage)$/m, output);
  assert.doesNotMatch(output, /^Error/m, `${what}:\n${output}`);
}

/** PixelMed recognises the template, and finds no error. */
export async function assertValidTemplate(path: string, what: string): Promise<void> {
  const output = await pixelmed(path);
  assert.match(output, /Found Root Template TID_1500/, `${what}:\n${output}`);
  assert.match(output, /IOD validation complete/, `${what}:\n${output}`);
  assert.doesNotMatch(output, /^Error|Exception/m, `${what}:\n${output}`);
}

/** PixelMed's wrapper does not know that Java 17 bounds XPath; these properties lift the bounds. */
async function pixelmed(path: string): Promise<string> {
  if (!existsSync(PIXELMED)) throw new Error(`${PIXELMED} is missing, and the peer tests need it: apt-get install pixelmed-apps`);
  const limits = ['TotalOp', 'ExprOp', 'ExprGrp'].map((name) => `-Djdk.xml.xpath${name}Limit=0`);
  const args = [...limits, '-cp', PIXELMED, 'com.pixelmed.validate.DicomSRValidator', path];
  const { stdout, stderr } = await promisify(execFile)('java', args, { timeout: 120_000, maxBuffer: 16 * 1024 * 1024 });
  return stdout + stderr;
}

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/**
 * DCMTK draws the overlay, and the four edges of each region are coloured where region times scale plus offset says.
 * @param rows of the source image @param columns of the source image
 */
export async function assertBoxesDrawn(overlay: string, png: string, regions: readonly Box[], rows: number, columns: number): Promise<void> {
  const { output } = await runTool('dcm2pnm', ['+on', overlay, png]);
  assert.ok(existsSync(png), output);
  const { data, info } = await sharp(png).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const { width, height, scale, offsetX, offsetY } = overlayGeometry(rows, columns);
  assert.deepEqual([info.width, info.height], [width, height]);
  const coloured = (x: number, y: number): boolean => {
    const at = (y * info.width + x) * info.channels;
    return data[at]! - data[at + 2]! > 80;
  };
  const near = (found: number[], expected: number): boolean => found.some((place) => Math.abs(place + 0.5 - expected) <= 1.5);
  for (const region of regions) {
    const middleRow = Math.round((region.y + region.height / 2) * scale + offsetY);
    const foundColumns = Array.from({ length: width }, (_, x) => x).filter((x) => coloured(x, middleRow));
    for (const edge of [region.x, region.x + region.width]) assert.ok(near(foundColumns, edge * scale + offsetX), `no edge at column ${edge * scale + offsetX}: ${foundColumns.join(' ')}`);
    const middleColumn = Math.round((region.x + region.width / 2) * scale + offsetX);
    const foundRows = Array.from({ length: height }, (_, y) => y).filter((y) => coloured(middleColumn, y));
    for (const edge of [region.y, region.y + region.height]) assert.ok(near(foundRows, edge * scale + offsetY), `no edge at row ${edge * scale + offsetY}: ${foundRows.join(' ')}`);
  }
}
