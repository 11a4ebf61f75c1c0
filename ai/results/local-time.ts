// Dates and times of a result: one Timezone Offset From UTC (0008,0201) governs all of them, copied ones too (PS3.3 C.12.1).
import { text, type Dataset } from '../../storage/dicom/dataset.ts';

/** A moment as DICOM writes it. */
export interface LocalTime {
  /** YYYYMMDD */
  date: string;
  /** HHMMSS */
  time: string;
  /** &ZZXX: +0100 */
  offset: string;
  /** For people: 2026-11-20 14:12:05 +01:00 */
  display: string;
}

/**
 * Minutes east of UTC in which the result's times are given: the source's own offset, else that of `timezone` at the
 * time of the study, so that the copied Study Date and Time stay right when analysis falls on the other side of a clock change.
 */
export function resultOffset(header: Dataset, timezone: string, createdAt: string): number {
  const stated = /^([+-])(\d\d)(\d\d)$/.exec(text(header, 'TimezoneOffsetFromUTC') ?? '');
  if (stated) {
    const minutes = Number(stated[2]) * 60 + Number(stated[3]);
    if (minutes <= 14 * 60) return stated[1] === '-' ? -minutes : minutes;
  }
  const wall = wallClock(text(header, 'StudyDate'), text(header, 'StudyTime'));
  if (wall === undefined) return zoneOffset(timezone, Date.parse(createdAt));
  // The offset at the wall clock read as UTC is right except within a day of a clock change; reading it again mends that.
  const first = zoneOffset(timezone, wall);
  return zoneOffset(timezone, wall - first * 60_000);
}

/** @param instant ISO 8601 with zone @param offset minutes east of UTC */
export function localTime(instant: string, offset: number): LocalTime {
  const milliseconds = Date.parse(instant);
  if (Number.isNaN(milliseconds)) throw new RangeError(`${instant} is not a time in ISO 8601`);
  const iso = new Date(milliseconds + offset * 60_000).toISOString();
  const sign = offset < 0 ? '-' : '+';
  const hours = String(Math.floor(Math.abs(offset) / 60)).padStart(2, '0');
  const minutes = String(Math.abs(offset) % 60).padStart(2, '0');
  return {
    date: iso.slice(0, 10).replaceAll('-', ''),
    time: iso.slice(11, 19).replaceAll(':', ''),
    offset: `${sign}${hours}${minutes}`,
    display: `${iso.slice(0, 10)} ${iso.slice(11, 19)} ${sign}${hours}:${minutes}`,
  };
}

/** Minutes east of UTC of an IANA zone at a moment (milliseconds since 1970). */
function zoneOffset(zone: string, milliseconds: number): number {
  const parts = new Intl.DateTimeFormat('en', { timeZone: zone, timeZoneName: 'longOffset' }).formatToParts(milliseconds);
  const name = parts.find((part) => part.type === 'timeZoneName')?.value ?? 'GMT';
  const match = /^GMT([+-])(\d\d):(\d\d)/.exec(name);
  if (!match) return 0;
  const minutes = Number(match[2]) * 60 + Number(match[3]);
  return match[1] === '-' ? -minutes : minutes;
}

/** The date and time read as if they were UTC, in milliseconds; noon where the time is unknown. */
function wallClock(date: string | undefined, time: string | undefined): number | undefined {
  const day = /^(\d{4})[.-]?(\d\d)[.-]?(\d\d)$/.exec(date ?? '');
  if (!day) return undefined;
  const clock = /^(\d\d):?(\d\d)?:?(\d\d)?/.exec(time ?? '');
  const value = Date.UTC(Number(day[1]), Number(day[2]) - 1, Number(day[3]), Number(clock?.[1] ?? 12), Number(clock?.[2] ?? 0));
  return Number.isNaN(value) ? undefined : value;
}
