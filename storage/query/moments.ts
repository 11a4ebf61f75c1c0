// Dates and times as digits in a row (PS3.5 6.2: DA, TM, DT): a value that is less exact stands for all that it may mean.

export type MomentVr = 'DA' | 'TM' | 'DT';
/** YYYYMMDD, HHMMSSFFFFFF, YYYYMMDDHHMMSSFFFFFF. */
export const DIGITS: Readonly<Record<MomentVr, number>> = { DA: 8, TM: 12, DT: 20 };

export function isMomentVr(vr: string): vr is MomentVr {
  return vr in DIGITS;
}

/** First and last moment of a value, as many digits as its VR has; DA and TM of old files have dots and colons, which do not count. */
export function boundsOf(vr: MomentVr, value: string): { first: string; last: string } {
  const digits = withoutOffset(vr, value).replace(/\D/g, '').slice(0, DIGITS[vr]);
  return { first: digits.padEnd(DIGITS[vr], '0'), last: digits.padEnd(DIGITS[vr], '9') };
}

/** The same of a DT with an offset from UTC, its own or else that of the request, in UTC; undefined where there is no such moment. */
export function boundsInUtc(value: string, zone: string | undefined): { first: string; last: string } | undefined {
  const offset = /([+-])(\d\d)(\d\d)$/.exec(value.trim()) ?? /^([+-])(\d\d)(\d\d)$/.exec(zone ?? '');
  const digits = withoutOffset('DT', value).replace(/\D/g, '').slice(0, DIGITS.DT);
  if (!offset || digits.length < 4) return undefined;
  const minutes = (offset[1] === '-' ? -1 : 1) * (Number(offset[2]) * 60 + Number(offset[3]));
  const lastDay = new Date(Date.UTC(Number(digits.slice(0, 4)), Number(digits.slice(4, 6) || 12), 0)).getUTCDate();
  return {
    first: shifted(digits + '00000101000000000000'.slice(digits.length), minutes),
    last: shifted(digits + `000012${String(lastDay).padStart(2, '0')}235959999999`.slice(digits.length), minutes),
  };
}

/** @param minutes to go back */
function shifted(digits: string, minutes: number): string {
  const part = (from: number, to: number): number => Number(digits.slice(from, to));
  const minute = new Date(Date.UTC(part(0, 4), part(4, 6) - 1, part(6, 8), part(8, 10), part(10, 12) - minutes));
  return minute.toISOString().replace(/\D/g, '').slice(0, 12) + digits.slice(12);
}

const withoutOffset = (vr: MomentVr, value: string): string => (vr === 'DT' ? value.trim().replace(/[+-]\d{4}$/, '') : value);
