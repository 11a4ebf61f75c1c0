// A model package: a folder with model.onnx, manifest.yaml and MODEL_CARD.md. The manifest holds all that the analyzer must
// know; a package whose checksum or tensors do not match it is refused, by name (docs/model-packages.md).
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import type { ModelIdentity } from '../analysis.ts';
import { declaredTensors } from './onnx-graph.ts';
import type { DeclaredTensor } from './onnx-graph.ts';

const tensorName = z.string().min(1);
const fraction = z.number().min(0).max(1);
const uid = z.string().regex(/^[0-2](\.(0|[1-9]\d*))+$/, 'must be a UID').max(64);

const inputSchema = z
  .strictObject({
    tensor: tensorName,
    width: z.int().min(16).max(4096),
    height: z.int().min(16).max(4096),
    /** 3 repeats the gray value. */
    channels: z.union([z.literal(1), z.literal(3)]).default(1),
    /** Values of black and white before mean and std: (value - mean) / std, each channel its own. */
    range: z.tuple([z.number(), z.number()]).default([0, 1]),
    mean: z.array(z.number()).min(1).default([0]),
    std: z.array(z.number().positive()).min(1).default([1]),
    fit: z.enum(['stretch', 'letterbox']).default('stretch'),
  })
  .refine((it) => [1, it.channels].includes(it.mean.length) && [1, it.channels].includes(it.std.length), {
    error: 'mean and std must have one value, or one for each channel',
  });

const outputsSchema = z.strictObject({
  /** [N,1]: logit of the positive label; [N,C]: one logit for each label. */
  logit: z
    .strictObject({
      tensor: tensorName,
      /** How logits become scores; several labels that exclude each other are a softmax. */
      activation: z.enum(['softmax', 'sigmoid']).optional(),
    })
    .optional(),
  /** Boxes [N,K,4] with scores [N,K], 0 to 1; overlapping ones are removed by the gateway. */
  boxes: z
    .strictObject({
      tensor: tensorName,
      scores: tensorName,
      format: z.enum(['xyxy', 'cxcywh']).default('xyxy'),
      units: z.enum(['pixels', 'fraction']).default('pixels'),
      scoreThreshold: fraction.default(0.3),
      nmsIou: fraction.default(0.5),
      maxRegions: z.int().min(1).max(100).default(10),
    })
    .optional(),
  /** A map [N,1,H,W] of the positive label. */
  mask: z
    .strictObject({
      tensor: tensorName,
      activation: z.enum(['sigmoid', 'none']).default('sigmoid'),
      threshold: fraction.default(0.5),
      /** Smaller parts, as a fraction of the map's area, are noise. */
      minArea: fraction.default(0.001),
      maxRegions: z.int().min(1).max(100).default(10),
    })
    .optional(),
});

const labelSchema = z.strictObject({
  name: z.string().min(1),
  positive: z.boolean().default(false),
  code: z.strictObject({ value: z.string().min(1).max(16), scheme: z.string().min(1).max(16), meaning: z.string().min(1).max(64) }),
});

/** '' in a list stands for absent or empty. */
const applicabilitySchema = z.strictObject({
  modalities: z.array(z.string()).min(1),
  views: z.array(z.string()).min(1).default(['PA', 'AP', '']),
  bodyParts: z.array(z.string()).min(1).default(['CHEST', 'THORAX', 'LUNG', '']),
  ageYears: z.strictObject({ min: z.number().nonnegative(), max: z.number().positive() }).optional(),
});

export const manifestSchema = z
  .strictObject({
    name: z.string().regex(/^[a-z0-9][a-z0-9-]*$/i, 'must be letters, digits and hyphens'),
    version: z.string().min(1).max(64),
    sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits in lower case'),
    licence: z.string().min(1),
    intendedUse: z.string().min(1),
    deviceUid: uid,
    manufacturer: z.string().min(1),
    input: inputSchema,
    task: z.enum(['classification', 'detection', 'segmentation']),
    outputs: outputsSchema,
    labels: z.array(labelSchema).min(1),
    operatingPoint: z.strictObject({ threshold: fraction, chosenFor: z.string() }),
    /** Platt: probability = sigmoid(scale * logit + offset). */
    calibration: z
      .strictObject({ method: z.enum(['platt', 'none']), scale: z.number().positive().default(1), offset: z.number().default(0) })
      .default({ method: 'none', scale: 1, offset: 0 }),
    applicability: applicabilitySchema,
    maxBatch: z.int().positive().default(1),
    /** What it was accepted with; free, shown by `hilum models`. */
    figures: z.record(z.string(), z.unknown()).default({}),
  })
  .superRefine(checkTask);

export type Manifest = z.infer<typeof manifestSchema>;
export type Label = Manifest['labels'][number];

export interface ModelPackage {
  folder: string;
  /** Path of model.onnx. */
  path: string;
  /** Bytes of model.onnx. */
  size: number;
  manifest: Manifest;
  identity: ModelIdentity;
  inputs: DeclaredTensor[];
  outputs: DeclaredTensor[];
}

/** A package that is not what its manifest says, or no package; the message names it and what is wrong. */
export class ModelPackageError extends Error {
  constructor(folder: string, problem: string, options?: ErrorOptions) {
    super(`model package ${folder}: ${problem}`, options);
    this.name = 'ModelPackageError';
  }
}

/** @throws {ModelPackageError} */
export async function loadPackage(folder: string): Promise<ModelPackage> {
  const manifest = await readManifest(folder);
  const path = join(folder, 'model.onnx');
  const bytes = await readFile(path).catch((cause: Error) => {
    throw new ModelPackageError(folder, `model.onnx cannot be read (${cause.message})`, { cause });
  });
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  if (sha256 !== manifest.sha256)
    throw new ModelPackageError(folder, `model.onnx has the checksum ${sha256}, but the manifest of "${manifest.name}" says ${manifest.sha256}`);
  let declared;
  try {
    declared = declaredTensors(bytes);
  } catch (cause) {
    throw new ModelPackageError(folder, `model.onnx of "${manifest.name}" cannot be understood: ${(cause as Error).message}`, { cause });
  }
  const problem = tensorProblem(manifest, declared.inputs, declared.outputs);
  if (problem) throw new ModelPackageError(folder, `model.onnx of "${manifest.name}" does not match the manifest: ${problem}`);
  const { name, version, deviceUid, manufacturer } = manifest;
  return { folder, path, size: bytes.length, manifest, identity: { name, version, sha256, deviceUid, manufacturer }, ...declared };
}

async function readManifest(folder: string): Promise<Manifest> {
  let content: unknown;
  try {
    content = parse(await readFile(join(folder, 'manifest.yaml'), 'utf8'));
  } catch (cause) {
    throw new ModelPackageError(folder, `manifest.yaml cannot be read (${(cause as Error).message})`, { cause });
  }
  const parsed = manifestSchema.safeParse(content);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'manifest.yaml'}: ${message}`);
  throw new ModelPackageError(folder, `manifest.yaml is wrong: ${problems.join('; ')}`);
}

function checkTask(manifest: Pick<Manifest, 'task' | 'outputs' | 'labels'>, context: z.RefinementCtx): void {
  const problem = (path: string[], message: string): void => void context.addIssue({ code: 'custom', path, message });
  const positives = manifest.labels.filter(({ positive }) => positive).length;
  if (positives !== 1) problem(['labels'], `exactly one label must be positive, not ${positives}`);
  if (new Set(manifest.labels.map(({ name }) => name)).size !== manifest.labels.length) problem(['labels'], 'names must differ');
  if (!manifest.outputs.logit && manifest.labels.length > 1) problem(['outputs', 'logit'], 'is needed for several labels');
  const needed = { classification: 'logit', detection: 'boxes', segmentation: 'mask' } as const;
  const output = needed[manifest.task];
  if (!manifest.outputs[output]) problem(['outputs', output], `is needed for the task ${manifest.task}`);
}

const FLOAT32 = 1;

/** What stands against the manifest in the file's own declarations, in words; undefined when nothing. */
function tensorProblem(manifest: Manifest, inputs: DeclaredTensor[], outputs: DeclaredTensor[]): string | undefined {
  const [only] = inputs;
  if (!only || inputs.length > 1) return `it has ${inputs.length} inputs, not one`;
  const { channels, height, width } = manifest.input;
  if (only.name !== manifest.input.tensor) return `its input is "${only.name}", not "${manifest.input.tensor}"`;
  const wrong = mismatch(only, [undefined, channels, height, width]);
  if (wrong) return wrong;
  const batch = only.shape[0];
  if (typeof batch === 'number' && batch !== 1) return `input "${only.name}" takes only batches of ${batch}`;
  if (batch === 1 && manifest.maxBatch > 1) return `input "${only.name}" takes one image at a time, but maxBatch is ${manifest.maxBatch}`;
  for (const [name, shape] of expectedOutputs(manifest)) {
    const output = outputs.find((candidate) => candidate.name === name);
    if (!output) return `it has no output "${name}" (it has ${outputs.map((each) => `"${each.name}"`).join(', ')})`;
    const fault = mismatch(output, shape);
    if (fault) return fault;
  }
  return undefined;
}

type Expected = (number | undefined)[];

function expectedOutputs({ outputs, labels }: Manifest): [string, Expected][] {
  const expected: [string, Expected][] = [];
  if (outputs.logit) expected.push([outputs.logit.tensor, [undefined, labels.length]]);
  if (outputs.boxes) expected.push([outputs.boxes.tensor, [undefined, undefined, 4]], [outputs.boxes.scores, [undefined, undefined]]);
  if (outputs.mask) expected.push([outputs.mask.tensor, [undefined, 1, undefined, undefined]]);
  return expected;
}

function mismatch(tensor: DeclaredTensor, expected: Expected): string | undefined {
  if (tensor.type !== FLOAT32) return `"${tensor.name}" is not of float32`;
  // A file may leave an output's shape out altogether; the warm-up run then tells.
  if (tensor.shape.length === 0) return undefined;
  const agrees =
    tensor.shape.length === expected.length &&
    expected.every((size, axis) => size === undefined || typeof tensor.shape[axis] !== 'number' || tensor.shape[axis] === size);
  if (agrees) return undefined;
  return `"${tensor.name}" has the shape ${shapeInWords(tensor.shape)}, not ${shapeInWords(expected)}`;
}

function shapeInWords(shape: readonly unknown[]): string {
  return `[${shape.map((size) => size ?? '?').join(', ')}]`;
}
