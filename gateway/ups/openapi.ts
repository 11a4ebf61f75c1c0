// UPS-RS in the OpenAPI description and, made from it, in the Capabilities Description (PS3.18 11 and annex H).

type Description = Record<string, unknown>;

const text = { type: 'string' };
const uidSchema = { type: 'string', pattern: '^\\d+(\\.\\d+)*$', maxLength: 64 };
const problem = { description: 'Refused; the body says why', content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } };
const both = { 'application/dicom+json': {}, 'application/dicom+xml': {} };
const workitem = { name: 'workitem', in: 'path', required: true, description: 'SOP Instance UID of the Unified Procedure Step', schema: uidSchema };
const aetitle = { name: 'aetitle', in: 'path', required: true, description: 'AE title of the subscriber', schema: { ...text, maxLength: 16 } };
const inQuery = (name: string, description: string, schema: Description = text): Description => ({ name, in: 'query', description, schema });
const dataset = (required = true): Description => ({ required, content: both });
const unsupported = { 400: problem, 413: problem, 415: problem };
const operation = (operationId: string, summary: string, parameters: Description[], responses: Description, requestBody?: Description): Description => ({
  operationId, summary, parameters, ...(requestBody && { requestBody }), responses,
});
const said = (description: string): Description => ({ description });

export function workitemPaths(): Record<string, Record<string, Description>> {
  const one = '/dicomweb/workitems/{workitem}';
  const subscriber = `${one}/subscribers/{aetitle}`;
  return {
    '/dicomweb/workitems': {
      get: operation('SearchWorkitems', 'UPS-RS: search; attributes as keywords or tags, also of items (PS3.18 11.9)', [
        inQuery('limit', 'At most 1000', { type: 'integer', minimum: 0 }), inQuery('offset', 'Matches to leave out', { type: 'integer', minimum: 0 }), inQuery('fuzzymatching', 'Names by their beginnings', { type: 'boolean' }),
        inQuery('includefield', 'Every attribute is returned in any case'),
      ], { 200: { description: 'Matches, oldest first; a Warning says that there are more', content: { 'application/dicom+json': {}, 'multipart/related': {} } }, 204: said('No match, where XML is wanted'), 400: problem, 406: problem }),
      post: operation('CreateWorkitem', 'UPS-RS: create; with the workitem code of settings ups.claim an order for us (PS3.18 11.4)', [inQuery('workitem', 'Its UID, bare or by this name; without one it gets one', uidSchema)],
        { 201: said('Created; Location names it'), ...unsupported, 409: problem }, dataset()),
    },
    [one]: {
      get: operation('RetrieveWorkitem', 'UPS-RS: retrieve (PS3.18 11.5)', [workitem], { 200: { description: 'The step, without its Transaction UID', content: both }, 400: problem, 404: problem, 406: problem }),
      post: operation('UpdateWorkitem', 'UPS-RS: update (PS3.18 11.6)', [workitem, inQuery('transaction-uid', 'Of whoever claimed it, bare or by this name', uidSchema)], { 200: said('Changed'), ...unsupported, 404: problem, 409: problem }, dataset()),
    },
    [`${one}/state`]: {
      put: operation('ChangeWorkitemState', 'UPS-RS: claim, complete, give up (PS3.18 11.7)', [workitem], { 200: said('Changed, or so already (Warning)'), ...unsupported, 404: problem, 409: problem }, dataset()),
    },
    [`${one}/cancelrequest`]: {
      post: operation('RequestWorkitemCancellation', 'UPS-RS: request cancellation (PS3.18 11.8)', [workitem], { 202: said('Canceled, canceled already (Warning), or its performer was told'), ...unsupported, 404: problem, 409: problem }, dataset(false)),
    },
    [subscriber]: {
      post: operation('SubscribeToWorkitem', 'UPS-RS: subscribe to a step, to the worklist (1.2.840.10008.5.1.4.34.5), or to a filtered one (….34.5.1) (PS3.18 11.10)', [workitem, aetitle, inQuery('deletionlock', 'Steps are kept in any case', { type: 'boolean' }), inQuery('filter', 'attribute=value,…')],
        { 201: said('Content-Location is where events are to be had'), 400: problem, 404: problem }),
      delete: operation('UnsubscribeFromWorkitem', 'UPS-RS: unsubscribe (PS3.18 11.11)', [workitem, aetitle], { 200: said('Done'), 400: problem, 404: problem }),
    },
    [`${subscriber}/suspend`]: {
      post: operation('SuspendWorklistSubscription', 'UPS-RS: hear of no steps to come (PS3.18 11.12)', [workitem, aetitle], { 200: said('Done'), 400: problem, 404: problem }),
    },
    '/dicomweb/subscribers/{aetitle}': {
      get: operation('OpenNotificationConnection', 'UPS-RS: event reports over a WebSocket (PS3.18 8.10)', [aetitle], { 101: said('The WebSocket'), 401: problem, 426: problem, 503: problem }),
    },
  };
}
