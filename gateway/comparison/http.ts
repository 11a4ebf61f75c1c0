// GET /api/models/{name}/comparison: how a candidate in the shadow compares with the models in use.
import type { Request, Response } from 'express';
import { HttpError } from '../http/errors.ts';
import type { ComparisonSource } from './comparison.ts';

export async function showComparison(request: Request, response: Response, comparisons: ComparisonSource): Promise<void> {
  const name = String(request.params['model']);
  const report = await comparisons.report(name);
  if (!report) throw new HttpError(404, `No image was judged by a candidate named "${name.slice(0, 64)}".`);
  response.json(report);
}
