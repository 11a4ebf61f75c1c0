import assert from 'node:assert/strict';
import { z } from 'zod';
import { MultipartError } from '../../gateway/dicomweb/multipart.ts';
import { HttpError, problemOf } from '../../gateway/http/errors.ts';
import { IntakeRefusal, type RefusalKind } from '../../storage/errors.ts';

describe('errors as HTTP answers', () => {
  const refusals: [RefusalKind, number][] = [['out-of-room', 503], ['too-large', 413], ['mismatch', 409], ['not-understood', 409], ['changed', 409]];
  for (const [kind, status] of refusals)
    it(`answers a refusal of the kind ${kind} with ${status} and its reason`, () => {
      const { problem, headers } = problemOf(new IntakeRefusal(kind, 'because'));
      assert.deepEqual([problem.status, problem.detail], [status, 'because']);
      assert.equal('Retry-After' in headers, status === 503);
    });

  it('says which parameter was wrong', () => {
    const { error } = z.object({ limit: z.number() }).safeParse({ limit: 'many' });
    assert.match(problemOf(error).problem.detail, /^limit: /);
  });

  it('passes on what a handler says, and what is wrong with a body', () => {
    assert.deepEqual(problemOf(new HttpError(401, 'who are you?', { 'WWW-Authenticate': 'Bearer' })).headers, { 'WWW-Authenticate': 'Bearer' });
    assert.equal(problemOf(new MultipartError('cut')).problem.status, 400);
  });

  it('keeps the words of an unexpected error, which may hold a name or a path, for the log', () => {
    const { problem, unexpected } = problemOf(new Error('cannot open /home/hilum/Meier^Anna.dcm'));
    assert.deepEqual([problem.status, unexpected], [500, true]);
    assert.doesNotMatch(problem.detail, /Meier/);
  });
});
