import assert from 'node:assert/strict';
import type { Request } from 'express';
import type { ArchivedInstance } from '../../storage/archive.ts';
import { wantedOf } from '../../gateway/dicomweb/accept.ts';
import { negotiate } from '../../gateway/dicomweb/instance-negotiation.ts';
import { pixelRepresentations } from '../../gateway/dicomweb/pixel-negotiation.ts';

const EXPLICIT = '1.2.840.10008.1.2.1';
const IMPLICIT = '1.2.840.10008.1.2';
const BIG_ENDIAN = '1.2.840.10008.1.2.2';
const RLE = '1.2.840.10008.1.2.5';
const JPEG = '1.2.840.10008.1.2.4.50';
const JPEG_LS = '1.2.840.10008.1.2.4.80';
const JPEG_2000 = '1.2.840.10008.1.2.4.90';
const HTJ2K = '1.2.840.10008.1.2.4.201';
const VIDEO = '1.2.840.10008.1.2.4.102';

const instance = (transferSyntaxUid: string, frames = 1): ArchivedInstance => ({
  studyInstanceUid: '1.2', seriesInstanceUid: '1.2.3', sopInstanceUid: '1.2.3.4', sopClassUid: '1.2.840.10008.5.1.4.1.1.1', transferSyntaxUid, path: '/', bytes: 10, frames, digest: '00',
});
/** Everything but video, which nothing leads from or to. */
const transcoder = { canTranscode: (from: string, to: string): boolean => from === to || (from !== VIDEO && [EXPLICIT, IMPLICIT, RLE, JPEG_LS, JPEG_2000, HTJ2K].includes(to)) };
const wanted = (accept: string | undefined, query: Record<string, string> = {}) => wantedOf({ headers: { accept }, query } as unknown as Request);
const related = (type: string, syntax?: string, q?: number): string => `multipart/related; type="${type}"${syntax ? `; transfer-syntax=${syntax}` : ''}${q === undefined ? '' : `; q=${q}`}`;

describe('what instances are sent as', () => {
  const chosen = (accept: string | undefined, ...instances: ArchivedInstance[]) => {
    const { form, chosen: list, left } = negotiate(wanted(accept), instances, transcoder);
    return [form, ...list.map(({ syntaxes }) => syntaxes.join(' ')), left];
  };

  for (const [accept, kept, expected] of [
    [undefined, JPEG_LS, ['multipart', JPEG_LS, 0]],
    [related('application/dicom'), VIDEO, ['multipart', VIDEO, 0]],
    [related('application/dicom', '*'), BIG_ENDIAN, ['multipart', BIG_ENDIAN, 0]],
    [related('application/dicom', EXPLICIT), JPEG_LS, ['multipart', EXPLICIT, 0]],
    ['application/dicom', JPEG_LS, ['single', JPEG_LS, 0]],
    ['application/*', JPEG_LS, ['single', JPEG_LS, 0]],
    ['text/html, application/dicom;q=0.1, */*;q=0.9', JPEG_LS, ['multipart', JPEG_LS, 0]],
    [`${related('application/dicom', JPEG_2000)}, ${related('application/dicom', JPEG_LS)}`, JPEG_LS, ['multipart', `${JPEG_LS} ${JPEG_2000}`, 0]],
    [`${related('application/dicom', JPEG_2000, 1)}, ${related('application/dicom', JPEG_LS, 0.5)}`, JPEG_LS, ['multipart', `${JPEG_2000} ${JPEG_LS}`, 0]],
    [`${related('application/dicom', VIDEO)}, application/dicom; transfer-syntax=*`, EXPLICIT, ['single', EXPLICIT, 0]],
    ['application/zip; transfer-syntax=1.2.840.10008.1.2', EXPLICIT, ['zip', IMPLICIT, 0]],
  ] as const)
    it(`is ${expected.join(' ')} for one kept in ${kept} when ${accept ?? 'nothing'} is accepted`, () => assert.deepEqual(chosen(accept, instance(kept)), expected));

  it('is not one body for several', () => {
    assert.throws(() => chosen('application/dicom', instance(EXPLICIT), instance(EXPLICIT)), { status: 406 });
    assert.deepEqual(chosen(`application/dicom, ${related('application/dicom')};q=0.1`, instance(EXPLICIT), instance(EXPLICIT)), ['multipart', EXPLICIT, EXPLICIT, 0]);
    assert.deepEqual(chosen('application/*', instance(EXPLICIT), instance(EXPLICIT)), ['zip', EXPLICIT, EXPLICIT, 0]);
  });

  it('is explicit little endian for what has no pixels that could be compressed', () => {
    assert.deepEqual(chosen(related('application/dicom', JPEG_LS), instance(IMPLICIT, 0), instance(JPEG_2000)), ['multipart', EXPLICIT, JPEG_LS, 0]);
  });

  it('leaves out what cannot be sent, unless all can be in another form', () => {
    assert.deepEqual(chosen(related('application/dicom', EXPLICIT), instance(VIDEO), instance(JPEG_LS)), ['multipart', EXPLICIT, 1]);
    assert.deepEqual(chosen(`${related('application/dicom', EXPLICIT)}, application/zip; q=0.1`, instance(VIDEO), instance(JPEG_LS)), ['zip', VIDEO, JPEG_LS, 0]);
  });

  it('takes a plus sign that a browser did not escape, and refuses what is no transfer syntax', () => {
    assert.deepEqual(wanted('text/html', { accept: 'application/dicom json' }).map(({ type }) => type), ['application/dicom+json']);
    assert.throws(() => wanted(related('application/dicom', 'implicit')), { status: 400 });
    assert.throws(() => wanted(undefined, { accept: '' }), { status: 400 });
  });
});

describe('what pixel data is sent as', () => {
  const first = (accept: string | undefined, kept: string) => {
    const [found] = pixelRepresentations(wanted(accept), instance(kept), transcoder);
    return found && [found.form, found.mediaType, found.transferSyntaxUid];
  };
  const OCTETS = 'application/octet-stream';
  for (const [accept, kept, expected] of [
    [undefined, JPEG, ['either', 'image/jpeg', JPEG]],
    [undefined, IMPLICIT, ['either', OCTETS, EXPLICIT]],
    [related(OCTETS), JPEG_LS, ['multipart', OCTETS, EXPLICIT]],
    [related(OCTETS, '*'), JPEG_LS, ['multipart', OCTETS, JPEG_LS]],
    [related(OCTETS, IMPLICIT), BIG_ENDIAN, ['multipart', OCTETS, EXPLICIT]],
    [related(OCTETS, BIG_ENDIAN), BIG_ENDIAN, undefined],
    [related('image/jpeg'), JPEG, ['multipart', 'image/jpeg', JPEG]],
    [related('image/jls'), EXPLICIT, ['multipart', 'image/jls', JPEG_LS]],
    [related('image/jp2', JPEG_2000), JPEG_LS, ['multipart', 'image/jp2', JPEG_2000]],
    [related('image/jp2', JPEG_LS), JPEG_LS, undefined],
    [related('image/x-dicom-rle'), EXPLICIT, ['multipart', 'image/x-dicom-rle', RLE]],
    [related('image/jhc'), EXPLICIT, ['multipart', 'image/jhc', HTJ2K]],
    [related('image/*'), JPEG_2000, ['multipart', 'image/jp2', JPEG_2000]],
    [related('image/*'), EXPLICIT, ['multipart', 'image/jls', JPEG_LS]],
    ['image/jls', EXPLICIT, ['single', 'image/jls', JPEG_LS]],
    [related('video/mp4'), VIDEO, ['multipart', 'video/mp4', VIDEO]],
    [related(OCTETS), VIDEO, undefined],
    [related('video/mp4'), EXPLICIT, undefined],
    [`${related('image/jls')}, ${related('image/jpeg')}, ${related(OCTETS)}`, JPEG, ['multipart', 'image/jpeg', JPEG]],
    [`${related('image/jls')}, ${related('image/jpeg')};q=0.5`, JPEG, ['multipart', 'image/jls', JPEG_LS]],
  ] as const)
    it(`is ${expected?.join(' ') ?? 'nothing'} for one kept in ${kept} when ${accept ?? 'nothing'} is accepted`, () => assert.deepEqual(first(accept, kept), expected));
});
