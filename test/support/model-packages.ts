// Small model packages of every kind, whose answers can be worked out by hand: all look at the mean brightness of each cell of a
// 4 x 4 grid, as the fixture tiny does. Logit of a cell = 12 (mean - offset).
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { deriveUid } from '../../storage/dicom/uids.ts';
import { onnxFile, type OnnxGraph } from './onnx.ts';

const [SIZE, CELL, GRID] = [64, 16, 4];
const OPACITY = { name: 'opacity', positive: true, code: { value: '112001', scheme: 'DCM', meaning: 'Opacity' } };
const TYPES = [
  { name: 'normal', code: { value: '17621005', scheme: 'SCT', meaning: 'Normal' } },
  { name: 'bacterial', positive: true, code: { value: '53084003', scheme: 'SCT', meaning: 'Bacterial pneumonia' } },
  { name: 'viral', positive: true, code: { value: '75570004', scheme: 'SCT', meaning: 'Viral pneumonia' } },
];

interface Kind {
  graph: OnnxGraph;
  manifest: Record<string, unknown>;
}

/** What a package of each kind looks for. @param offset mean brightness at which it is undecided */
export const KINDS = {
  /** One logit: of the brightest cell. */
  classification: (offset: number): Kind => ({
    graph: cells(offset, [highest('cell_logits', 'logit')], { logit: ['N', 1] }),
    manifest: { task: 'classification', outputs: { logit: { tensor: 'logit' } }, labels: [OPACITY] },
  }),
  /** Bacterial by the brightest cell of the left half of the image, viral by that of the right; the map is of all cells. */
  types: (offset: number): Kind => ({
    graph: cells(
      offset,
      [
        { op: 'Slice', inputs: ['map', 'zero', 'half', 'across'], outputs: ['left_map'] },
        { op: 'Slice', inputs: ['map', 'half', 'whole', 'across'], outputs: ['right_map'] },
        { op: 'Flatten', inputs: ['left_map'], outputs: ['left_cells'], attributes: { axis: 1 } },
        { op: 'Flatten', inputs: ['right_map'], outputs: ['right_cells'], attributes: { axis: 1 } },
        highest('left_cells', 'left'),
        highest('right_cells', 'right'),
        { op: 'Sub', inputs: ['left', 'left'], outputs: ['normal'] },
        { op: 'Concat', inputs: ['normal', 'left', 'right'], outputs: ['logit'], attributes: { axis: 1 } },
        { op: 'Identity', inputs: ['map'], outputs: ['cam'] },
      ],
      { logit: ['N', 3], cam: ['N', 1, GRID, GRID] },
    ),
    manifest: {
      task: 'classification',
      outputs: { logit: { tensor: 'logit' }, mask: { tensor: 'cam', threshold: 0.5, relative: true } },
      labels: TYPES,
    },
  }),
  /** A box for each cell. */
  detection: (offset: number): Kind => ({
    graph: cells(
      offset,
      [
        highest('cell_logits', 'logit'),
        { op: 'Sigmoid', inputs: ['cell_logits'], outputs: ['scores'] },
        { op: 'Sub', inputs: ['cell_logits', 'cell_logits'], outputs: ['nothing'] },
        { op: 'Unsqueeze', inputs: ['nothing', 'last'], outputs: ['nothing_wide'] },
        { op: 'Add', inputs: ['nothing_wide', 'cell_boxes'], outputs: ['boxes'] },
      ],
      { logit: ['N', 1], boxes: ['N', GRID * GRID, 4], scores: ['N', GRID * GRID] },
    ),
    manifest: { task: 'detection', outputs: { logit: { tensor: 'logit' }, boxes: { tensor: 'boxes', scores: 'scores' } }, labels: [OPACITY] },
  }),
  /** The cells themselves; no logit. */
  segmentation: (offset: number): Kind => ({
    graph: cells(offset, [{ op: 'Identity', inputs: ['map'], outputs: ['mask'] }], { mask: ['N', 1, GRID, GRID] }),
    manifest: { task: 'segmentation', outputs: { mask: { tensor: 'mask', minArea: 0.05 } }, labels: [OPACITY] },
  }),
} satisfies Record<string, (offset: number) => Kind>;

export interface PackageSpec {
  name: string;
  kind: keyof typeof KINDS;
  /** 0.6 unless told: between a dark cell and a bright one of gridImage. */
  offset?: number;
  version?: string;
  /** Other keys of the manifest. */
  changes?: Record<string, unknown>;
}

/** Writes a package. @returns its folder */
export async function modelPackage(under: string, { name, kind, offset = 0.6, version = '1.0.0', changes = {} }: PackageSpec): Promise<string> {
  const { graph, manifest } = KINDS[kind](offset);
  const model = onnxFile(graph);
  const folder = join(under, name);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'model.onnx'), model);
  const whole = {
    name,
    version,
    sha256: createHash('sha256').update(model).digest('hex'),
    licence: 'Apache-2.0',
    intendedUse: `Tests of Hilum only: ${kind}`,
    deviceUid: deriveUid('2.25', 'test', 'model', name, version),
    manufacturer: 'Hilum tests',
    input: { tensor: 'image', width: SIZE, height: SIZE },
    operatingPoint: { threshold: 0.5, chosenFor: 'tests' },
    applicability: { modalities: ['CR', 'DX'] },
    maxBatch: 4,
    ...manifest,
    ...changes,
  };
  await writeFile(join(folder, 'manifest.yaml'), stringify(whole));
  return folder;
}

function highest(input: string, output: string): OnnxGraph['nodes'][number] {
  return { op: 'ReduceMax', inputs: [input], outputs: [output], attributes: { axes: [1], keepdims: 1 } };
}

/** From the image to `map` [N, 1, 4, 4] and `cell_logits` [N, 16]. */
function cells(offset: number, nodes: OnnxGraph['nodes'], outputs: OnnxGraph['outputs']): OnnxGraph {
  const boxes = Array.from({ length: GRID * GRID }, (_, cell) => {
    const [x, y] = [(cell % GRID) * CELL, Math.floor(cell / GRID) * CELL];
    return [x, y, x + CELL, y + CELL];
  });
  return {
    nodes: [
      { op: 'AveragePool', inputs: ['image'], outputs: ['means'], attributes: { kernel_shape: [CELL, CELL], strides: [CELL, CELL] } },
      { op: 'Sub', inputs: ['means', 'offset'], outputs: ['above'] },
      { op: 'Mul', inputs: ['above', 'gain'], outputs: ['map'] },
      { op: 'Flatten', inputs: ['map'], outputs: ['cell_logits'], attributes: { axis: 1 } },
      ...nodes,
    ],
    constants: {
      offset: { dims: [1], values: [offset] },
      gain: { dims: [1], values: [12] },
      zero: { dims: [1], values: [0n] },
      half: { dims: [1], values: [BigInt(GRID / 2)] },
      whole: { dims: [1], values: [BigInt(GRID)] },
      across: { dims: [1], values: [3n] },
      last: { dims: [1], values: [2n] },
      cell_boxes: { dims: [1, GRID * GRID, 4], values: boxes.flat() },
    },
    inputs: { image: ['N', 1, SIZE, SIZE] },
    outputs,
  };
}
