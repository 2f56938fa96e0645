import { Button, Skeleton, Stack } from '@mantine/core';
import { IconDownload } from '@tabler/icons-react';
import { useState } from 'react';
import { useNames, type NameOf } from '../../session/names';
import { BarsTable } from '../../ui/chart/BarsTable';
import { Legend } from '../../ui/chart/Legend';
import { StackedBars } from '../../ui/chart/StackedBars';
import { Card } from '../../ui/Card';
import { usdOfNumber } from '../../ui/money';
import { useNow } from '../../ui/now';
import { Page } from '../../ui/Page';
import { Answered, Empty } from '../../ui/States';
import { barsOf } from './bars';
import { budgetOf, limitOf, termsOf, useBudgets } from './budget';
import { Controls, GROUPINGS } from './Controls';
import { csvOf, download } from './csv';
import { atDay, into, rangeOf, useLook } from './look';
import { Narrowed } from './Narrowed';
import type { Range } from './range';
import { useReport, type Grouping, type Measure, type Report } from './report';
import { Summary } from './Summary';
import { UsageTable } from './UsageTable';

const LABELS: Record<Measure, string> = { spend: 'Spend', tokens: 'Tokens', requests: 'Requests' };

/** Spend, tokens and requests over time. */
export default function Usage() {
  const [look, set] = useLook();
  const now = useNow();
  const measure = look.measure ?? 'spend';
  const grouping = look.by ?? 'model';
  const range = rangeOf(look, now);
  const report = useReport({ measure, grouping, range, only: look.only ?? {} });
  const budgets = useBudgets();
  const isOnKey = budgets.some(({ scope }) => scope.type === 'key');
  const named = Object.keys(look.only ?? {}) as Grouping[];
  const nameOf = useNames([grouping, ...named, ...(isOnKey ? (['api_key_id'] as const) : [])]);
  const drawn = measure === 'spend' ? budgetOf(budgets, look.budget) : undefined;
  const scopeName = ({ type, id }: { type: string; id: string }) =>
    type === 'organization' ? 'Organization' : nameOf(type === 'key' ? 'api_key_id' : 'project_id', id);
  return (
    <Page
      title="Usage"
      lead="Days and hours are UTC. The present one is partial; what is settled shows within seconds."
      actions={
        <Button
          variant="default"
          leftSection={<IconDownload size={16} />}
          disabled={!report.data}
          onClick={() => {
            if (!report.data) return;
            const csv = csvOf(report.data, (id) => nameOf(grouping, id));
            download(`farebox-${measure}-by-${grouping}.csv`, csv);
          }}
        >
          Download CSV
        </Button>
      }
    >
      <Controls
        look={look}
        set={set}
        budget={drawn?.id ?? 'none'}
        budgets={(measure === 'spend' ? budgets : []).map((budget) => ({
          value: budget.id,
          label: `${scopeName(budget.scope)}: ${termsOf(budget)}`,
        }))}
      />
      <Narrowed look={look} set={set} nameOf={nameOf} />
      <Answered query={report} loading={<Skeleton height={420} radius="lg" />}>
        {(found) =>
          found.series.length === 0 ? (
            <Empty
              title="Nothing in this time"
              text="Requests that were answered and charged appear here within seconds. Refused ones cost nothing and are not usage."
            />
          ) : (
            <Shown
              // Series that were hidden belong to one way of splitting.
              key={grouping}
              report={found}
              range={range}
              nameOf={nameOf}
              limit={drawn && limitOf(drawn, range, found.width)}
            />
          )
        }
      </Answered>
    </Page>
  );
}

interface ShownProps {
  report: Report;
  range: Range;
  nameOf: NameOf;
  limit: { value: number; name: string } | undefined;
}

function Shown({ report, range, nameOf, limit }: ShownProps) {
  const [look, set] = useLook();
  const [hidden, setHidden] = useState<string[]>([]);
  const { measure = 'spend', by: grouping = 'model', only = {} } = look;
  const format = (value: number) =>
    measure === 'spend' ? usdOfNumber(value) : value.toLocaleString();
  const nameOfSeries = (id: string) => nameOf(grouping, id);
  const { series, bars } = barsOf(report, nameOfSeries, useNow());
  const isDays = report.width === 'day';
  const unit = isDays ? 'Day' : 'Hour';
  const label = `${LABELS[measure]} by ${unit.toLowerCase()}`;
  return (
    <Card title={label}>
      <Stack gap="md">
        <Summary report={report} range={range} measure={measure} only={only} format={format} />
        <StackedBars
          label={label}
          bars={bars}
          series={series.filter(({ id }) => !hidden.includes(id))}
          format={format}
          isWhole={measure !== 'spend'}
          limit={limit}
          chosen="shows its hours"
          choose={
            isDays
              ? (start) => {
                  set(atDay(Number(start)));
                }
              : undefined
          }
        />
        <Legend series={series} hidden={hidden} change={setHidden} />
        <BarsTable label={`${label}, as a table`} unit={unit} bars={bars} series={series} format={format} />
        <UsageTable
          report={report}
          kind={GROUPINGS.find(({ value }) => value === grouping)?.label ?? 'Series'}
          nameOf={nameOfSeries}
          format={format}
          lookInto={(id) => {
            const change = into(look, grouping, id);
            return (
              change &&
              (() => {
                set(change);
              })
            );
          }}
        />
      </Stack>
    </Card>
  );
}
