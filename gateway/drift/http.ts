// GET /api/drift: how the last days compare with what was accepted.
import type { Request, Response } from 'express';
import type { DriftSource } from './report.ts';

export async function showDrift(_request: Request, response: Response, drift: DriftSource): Promise<void> {
  response.json(await drift.report());
}
