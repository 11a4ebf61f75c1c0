// Retrieve Capabilities (PS3.18 8.9): OPTIONS on the service root or any resource under it, answered with a Capabilities Description
// (annex H) of that resource and those below it, in WADL, or with the same part of the OpenAPI description in JSON.
import type { Request, Response } from 'express';
import { escapeXml } from '../../storage/dicom/xml-document.ts';
import { HttpError } from '../http/errors.ts';
import { covers } from '../http/header-parameters.ts';
import { acceptedRanges } from './accept.ts';
import { serviceRoot } from './service-root.ts';

const WADL_TYPE = 'application/vnd.sun.wadl+xml';
const ROOT = '/dicomweb';

interface Parameter {
  name: string;
  in: string;
  required?: boolean;
  description?: string;
  schema?: { type?: string; default?: unknown };
}
interface Operation {
  operationId?: string;
  summary?: string;
  parameters?: Parameter[];
  requestBody?: { content?: object };
  responses?: Record<string, { content?: object }>;
}
type Paths = Record<string, object>;

/** @param allow methods of the resource itself */
export function retrieveCapabilities(request: Request, response: Response, paths: Paths, allow: readonly string[]): void {
  const own = Object.fromEntries(Object.entries(paths).filter(([path]) => isWithin(path, request.path)));
  response.setHeader('Allow', allow.length > 0 ? allow.join(', ') : 'OPTIONS');
  response.setHeader('Cache-Control', 'no-store');
  for (const range of acceptedRanges(request)) {
    if (covers(range, WADL_TYPE) || covers(range, 'application/xml')) {
      response.type(range.type === 'application/xml' ? range.type : WADL_TYPE).send(wadl(own, serviceRoot(request)));
      return;
    }
    if (range.type === 'application/json') {
      response.json({ base: serviceRoot(request), paths: own });
      return;
    }
  }
  throw new HttpError(406, `Capabilities are described as ${WADL_TYPE} or application/json.`);
}

/** Whether the template names the address or something below it. */
function isWithin(template: string, address: string): boolean {
  const segments = address.split('/').filter((segment) => segment !== '');
  const pattern = template.split('/').filter((segment) => segment !== '');
  return pattern[0] === ROOT.slice(1) && segments.every((segment, at) => pattern[at] !== undefined && (pattern[at]!.startsWith('{') || pattern[at]!.toLowerCase() === segment.toLowerCase()));
}

interface Resource {
  operations: Record<string, Operation>;
  children: Map<string, Resource>;
}

function wadl(paths: Paths, base: string): string {
  const root: Resource = { operations: {}, children: new Map() };
  for (const [path, operations] of Object.entries(paths)) {
    let resource = root;
    for (const segment of path.slice(ROOT.length + 1).split('/')) {
      if (!resource.children.has(segment)) resource.children.set(segment, { operations: {}, children: new Map() });
      resource = resource.children.get(segment)!;
    }
    Object.assign(resource.operations, operations);
  }
  return `<?xml version="1.0" encoding="UTF-8"?>\n<application xmlns="http://wadl.dev.java.net/2009/02"><resources base="${escapeXml(base)}">${childrenXml(root)}</resources></application>\n`;
}

function childrenXml(resource: Resource): string {
  return [...resource.children].map(([segment, child]) => `<resource path="${escapeXml(segment)}">${operationsXml(child)}${childrenXml(child)}</resource>`).join('');
}

function operationsXml({ operations }: Resource): string {
  const inPath = new Map(Object.values(operations).flatMap(({ parameters = [] }) => parameters.filter((parameter) => parameter.in === 'path').map((parameter) => [parameter.name, parameter])));
  return [...inPath.values()].map((parameter) => parameterXml(parameter, 'template')).join('') + Object.entries(operations).map(([method, operation]) => methodXml(method, operation)).join('');
}

function methodXml(method: string, operation: Operation): string {
  const query = (operation.parameters ?? []).filter((parameter) => parameter.in === 'query').map((parameter) => parameterXml(parameter, 'query')).join('');
  const request = query + representations(operation.requestBody?.content);
  const responses = Object.entries(operation.responses ?? {}).map(([status, { content }]) => `<response status="${escapeXml(status)}">${representations(content)}</response>`).join('');
  return `<method name="${escapeXml(method.toUpperCase())}" id="${escapeXml(operation.operationId ?? '')}"><request>${request}</request>${responses}</method>`;
}

function parameterXml({ name, required, description, schema }: Parameter, style: string): string {
  const otherwise = schema?.default === undefined ? '' : ` default="${escapeXml(String(schema.default))}"`;
  return `<param name="${escapeXml(name)}" style="${style}"${required ? ' required="true"' : ''}${otherwise}>${description ? `<doc>${escapeXml(description)}</doc>` : ''}</param>`;
}

function representations(content: object | undefined): string {
  return Object.keys(content ?? {}).map((type) => `<representation mediaType="${escapeXml(type)}"/>`).join('');
}
