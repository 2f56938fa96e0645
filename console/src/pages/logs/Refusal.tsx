import { Progress, Text, Title } from '@mantine/core';
import { IconCheck, IconMinus, IconX } from '@tabler/icons-react';
import type { Schemas } from '../../api/types';
import { usd } from '../../ui/money';
import { When } from '../../ui/When';
import { CHECKS } from './entry';
import classes from './Refusal.module.css';

type Check = Schemas['LogCheck'];

const VERDICTS: Record<string, { icon: typeof IconCheck; word: string }> = {
  passed: { icon: IconCheck, word: 'Passed' },
  refused: { icon: IconX, word: 'Refused' },
};
const NOT_REACHED = { icon: IconMinus, word: 'Not looked at' };

/** Why a request was refused: everything that was looked at, in order, as it stood then. */
export function Refusal({ of: refusal }: { of: Schemas['LogRefusal'] }) {
  if (refusal.checks.length === 0) return null;
  return (
    <section>
      <Title order={3} size="h5" mb="xs">
        Why it was refused
      </Title>
      <ol className={classes.checks}>
        {refusal.checks.map((check, index) => (
          <One key={index} of={check} />
        ))}
      </ol>
    </section>
  );
}

function One({ of: check }: { of: Check }) {
  const { icon: Icon, word } = VERDICTS[check.verdict] ?? NOT_REACHED;
  return (
    <li className={classes.check} data-verdict={check.verdict}>
      <Icon size={18} aria-label={word} role="img" className={classes.icon} />
      <div className={classes.words}>
        <Text size="sm" fw={check.verdict === 'refused' ? 650 : 400}>
          {nameOf(check)}
        </Text>
        <Standing of={check} />
      </div>
    </li>
  );
}

function nameOf({ check, scope, rate }: Check): string {
  const name = CHECKS[check] ?? check.replaceAll('_', ' ');
  const what = rate ? `${name}, ${rate.replaceAll('_', ' ')}` : name;
  return scope ? `${what}, of the ${scope}` : what;
}

/** Of a limit: how it stood, and what the request needed of it. */
function Standing({ of: check }: { of: Check }) {
  const { limit, used, held, asked, resets_at: resets } = check;
  if (!limit && !asked) return null;
  const amount = (value: string) => (check.unit === 'usd' ? usd(value) : value);
  const parts = [
    limit && `limit ${amount(limit)}`,
    used && `used ${amount(used)}`,
    held && Number(held) > 0 && `held ${amount(held)}`,
    asked && `asked for ${amount(asked)}`,
  ].filter(Boolean);
  const share = limit && used ? shareOf(limit, used, held) : null;
  return (
    <>
      <Text size="xs" c="dimmed">
        {parts.join(' · ')}
        {check.unit && check.unit !== 'usd' && ` ${check.unit}`}
        {resets && (
          <>
            {' · room again '}
            <When at={resets} />
          </>
        )}
      </Text>
      {share !== null && (
        <Progress
          mt={4}
          size="sm"
          value={share}
          color={check.verdict === 'refused' ? 'red' : 'fare'}
          aria-label={`${share} per cent used or held`}
        />
      )}
    </>
  );
}

function shareOf(limit: string, used: string, held: string | null | undefined): number {
  const whole = Number(limit);
  const taken = Number(used) + Number(held ?? 0);
  return whole > 0 ? Math.min(100, Math.round((100 * taken) / whole)) : 100;
}
