// A stored severity as the HTTP API and the command line give it: a number, or why there is none.
import type { Severity } from '../../storage/entities/severity.ts';
import type { SeverityAnswer } from './worklist.ts';

/** @param severity null or undefined where there was nothing to measure, which needs no reason */
export function severityAnswer(severity: Severity | null | undefined): SeverityAnswer {
  if (!severity) return { severity: null, severityReason: null };
  if (severity.status === 'not-measured') return { severity: null, severityReason: severity.reason };
  const { right, left, both, basis, model } = severity;
  return { severity: { right, left, both, basis, model: { name: model.name, version: model.version, sha256: model.sha256 } }, severityReason: null };
}
