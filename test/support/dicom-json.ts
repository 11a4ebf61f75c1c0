// Bodies of QIDO-RS, metadata, STOW-RS and UPS-RS against the schema of the DICOM JSON model (PS3.18 annex F).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { Dataset } from '../../storage/dicom/dataset.ts';

const schema = JSON.parse(readFileSync(new URL('dicom-json.schema.json', import.meta.url), 'utf8')) as object;
const ajv = new Ajv2020({ strict: false, validateFormats: false });
const validate = ajv.compile(schema);

/** Text or parsed JSON: an array of datasets, or one. @throws when it is not valid; @returns the datasets */
export function assertDicomJson(body: unknown): Dataset[] {
  const value: unknown = typeof body === 'string' ? JSON.parse(body) : body;
  if (!validate(value)) {
    const deepest = (validate.errors ?? []).toSorted((a, b) => b.instancePath.length - a.instancePath.length).slice(0, 3);
    assert.fail(`no DICOM JSON: ${deepest.map(({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`).join('; ')}`);
  }
  return (Array.isArray(value) ? value : [value]) as Dataset[];
}
