// The accepted distribution that a model package brings: the key `reference` of its manifest (docs/drift.md).
import { z } from 'zod';
import { QUANTITIES, QUANTITY_NAMES, type Quantity } from './quantities.ts';

/** Decimals of a file are not always the doubles of the quotient. */
const EDGE_TOLERANCE = 1e-9;

const histogramSchema = (quantity: Quantity) =>
  z
    .strictObject({ edges: z.array(z.number()), counts: z.array(z.int().nonnegative()) })
    .refine(({ edges }) => isSame(edges, QUANTITIES[quantity]), { path: ['edges'], error: `are not those of ${quantity} in docs/drift.md` })
    .refine(({ edges, counts }) => counts.length === edges.length - 1, { path: ['counts'], error: 'must be one less than edges' })
    .refine(({ counts }) => counts.some((count) => count > 0), { path: ['counts'], error: 'hold no image' });

const histograms = Object.fromEntries(
  QUANTITY_NAMES.map((quantity) => [quantity, quantity === 'probability' ? histogramSchema(quantity) : histogramSchema(quantity).optional()]),
) as { [Name in Quantity]: z.ZodOptional<ReturnType<typeof histogramSchema>> };

export const referenceSchema = z.strictObject({
  /** What it was counted on, in words. */
  set: z.string().min(1),
  /** Images. */
  n: z.int().positive(),
  histograms: z.strictObject(histograms),
});

export type Reference = z.infer<typeof referenceSchema>;

function isSame(edges: readonly number[], wanted: readonly number[]): boolean {
  return edges.length === wanted.length && edges.every((edge, index) => Math.abs(edge - wanted[index]!) <= EDGE_TOLERANCE);
}
