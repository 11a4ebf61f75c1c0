// A model package: a folder with model.onnx, manifest.yaml and MODEL_CARD.md. The manifest holds all that the analyzer must
// know; a package whose checksum or tensors do not match it is refused, by name (docs/model-packages.md).
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import type { ModelIdentity } from '../analysis.ts';
import { referenceSchema } from '../drift/reference.ts';
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
  /**
   * A map [N,1,H,W] of the positive labels together: a segmentation, or a classifier's class activation map. A model of the
   * lungs has two, [N,2,H,W]: the patient's right lung, then the left.
   */
  mask: z
    .strictObject({
      tensor: tensorName,
      activation: z.enum(['sigmoid', 'none']).default('sigmoid'),
      threshold: fraction.default(0.5),
      /** The threshold is a share of the map's highest value: class activation maps have no scale of their own. */
      relative: z.boolean().default(false),
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
  ageYears: z
    .strictObject({ min: z.number().nonnegative(), max: z.number().positive() })
    .refine(({ min, max }) => min <= max, 'min must not be above max: no patient is of such an age')
    .optional(),
  /** What becomes of a patient whose age is not known, where ageYears says whom the model is meant for. */
  ageUnknown: z.enum(['accept', 'refuse']).default('accept'),
});

const operatingPointSchema = z.strictObject({ threshold: fraction, chosenFor: z.string() });

/** For every logit the same, or none. */
const scalarCalibration = { scale: z.number().positive().default(1), offset: z.number().default(0) };
const calibrationSchema = z.discriminatedUnion('method', [
  z.strictObject({ method: z.literal('none'), ...scalarCalibration }),
  /** probability = sigmoid(scale * log-odds + offset), of the positive labels together. */
  z.strictObject({ method: z.literal('platt'), ...scalarCalibration }),
  /** Each logit has its own: softmax(scale * logit + offset). */
  z.strictObject({ method: z.literal('vector'), scale: z.array(z.number().positive()).min(1), offset: z.array(z.number()).min(1) }),
]);

/** As it stands in the file; manifestSchema checks how its parts fit together. */
export const writtenSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]*$/i, 'must be letters, digits and hyphens'),
  version: z.string().min(1).max(64),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits in lower case'),
  licence: z.string().min(1),
  intendedUse: z.string().min(1),
  deviceUid: uid,
  manufacturer: z.string().min(1),
  /** lungs: shows where the lungs are, which findings are then measured by; it has no finding and no result of its own. */
  purpose: z.enum(['finding', 'lungs']).default('finding'),
  input: inputSchema,
  task: z.enum(['classification', 'detection', 'segmentation']),
  outputs: outputsSchema,
  labels: z.array(labelSchema).default([]),
  operatingPoint: operatingPointSchema.optional(),
  calibration: calibrationSchema.default({ method: 'none', scale: 1, offset: 0 }),
  applicability: applicabilitySchema,
  maxBatch: z.int().positive().default(1),
  /** What it was accepted with; free, shown by `hilum models`. */
  figures: z.record(z.string(), z.unknown()).default({}),
  /** Distributions on the set that it was accepted with, by which drift is told. */
  reference: referenceSchema.optional(),
});
type Written = z.infer<typeof writtenSchema>;

export const manifestSchema = writtenSchema
  .superRefine(checkTask)
  .transform((manifest) => ({ ...manifest, operatingPoint: manifest.operatingPoint ?? NO_FINDING }));

/** A model that has no finding never has a positive image. */
const NO_FINDING = { threshold: 1, chosenFor: 'no finding' };

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

function checkTask(manifest: Written, context: z.RefinementCtx): void {
  const problem = (path: string[], message: string): void => void context.addIssue({ code: 'custom', path, message });
  const { task, purpose, outputs, labels, calibration } = manifest;
  if (purpose === 'finding') checkFinding(manifest, problem);
  else if (task !== 'segmentation') problem(['task'], 'must be segmentation for the purpose lungs');
  if (new Set(labels.map(({ name }) => name)).size !== labels.length) problem(['labels'], 'names must differ');
  if (!outputs.logit && labels.length > 1) problem(['outputs', 'logit'], 'is needed for several labels');
  if (calibration.method === 'vector' && [calibration.scale, calibration.offset].some(({ length }) => length !== labels.length))
    problem(['calibration'], `scale and offset must have one value for each of the ${labels.length} labels`);
  const needed = { classification: 'logit', detection: 'boxes', segmentation: 'mask' } as const;
  const output = needed[task];
  if (!outputs[output]) problem(['outputs', output], `is needed for the task ${task}`);
}

function checkFinding({ outputs, labels, operatingPoint }: Written, problem: (path: string[], message: string) => void): void {
  const positives = labels.filter(({ positive }) => positive).length;
  if (positives === 0) problem(['labels'], 'at least one label must be positive');
  if (positives > 1 && outputs.logit?.activation === 'sigmoid')
    problem(['labels'], 'only one may be positive with the activation sigmoid: the probabilities of several are added, so they must exclude each other');
  if (operatingPoint === undefined) problem(['operatingPoint'], 'is needed');
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

function expectedOutputs({ purpose, outputs, labels }: Manifest): [string, Expected][] {
  const expected: [string, Expected][] = [];
  if (outputs.logit) expected.push([outputs.logit.tensor, [undefined, labels.length]]);
  if (outputs.boxes) expected.push([outputs.boxes.tensor, [undefined, undefined, 4]], [outputs.boxes.scores, [undefined, undefined]]);
  if (outputs.mask) expected.push([outputs.mask.tensor, [undefined, purpose === 'lungs' ? 2 : 1, undefined, undefined]]);
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
