import { Group, SegmentedControl, Skeleton, Stack } from '@mantine/core';
import { useState } from 'react';
import { BarsTable } from '../../ui/chart/BarsTable';
import { Legend } from '../../ui/chart/Legend';
import { StackedBars, type Bar, type Series } from '../../ui/chart/StackedBars';
import { Card } from '../../ui/Card';
import { DataTable, type Column } from '../../ui/DataTable';
import { Facts } from '../../ui/Facts';
import { Money } from '../../ui/Money';
import { usdOfNumber } from '../../ui/money';
import { useNow } from '../../ui/now';
import { Answered, Empty } from '../../ui/States';
import { labelOf, titleOf } from '../usage/bars';
import { colorOf } from '../usage/colors';
import { rangeNamed } from '../usage/range';
import { shareOf, useRevenue, type Line, type Revenue, type Split } from './revenue';
import { useRevenueLook } from './revenueLook';
import { TimeSelect } from './TimeSelect';

const SPLITS = [
  { value: 'model', label: 'Models' },
  { value: 'upstream_id', label: 'Upstreams' },
];
const SERIES: Series[] = [
  { id: 'cost', name: 'Cost', color: colorOf(2) },
  { id: 'margin', name: 'Margin', color: colorOf(0) },
];

/** Revenue, cost and margin by day, and by model or upstream. */
export function Margin() {
  const [look, set] = useRevenueLook();
  const split = look.by === 'upstream_id' ? 'upstream_id' : 'model';
  const revenue = useRevenue(rangeNamed(look.range, useNow()), split);
  return (
    <>
      <Group align="flex-end">
        <TimeSelect look={look} set={set} />
        <SegmentedControl
          aria-label="Split by"
          data={SPLITS}
          value={split}
          onChange={(by) => {
            set({ by: by as Split });
          }}
        />
      </Group>
      <Answered query={revenue} loading={<Skeleton height={520} radius="lg" />}>
        {(found) =>
          found.total.requests === 0 ? (
            <Empty title="Nothing in this time" text="What is charged appears here within seconds." />
          ) : (
            <Shown of={found} split={split} />
          )
        }
      </Answered>
    </>
  );
}

function Shown({ of: revenue, split }: { of: Revenue; split: Split }) {
  const [hidden, setHidden] = useState<string[]>([]);
  const now = useNow();
  const { total } = revenue;
  const bars: Bar[] = revenue.days.map(({ id, start, end, cost, margin }) => ({
    id,
    label: labelOf(start, 'day'),
    title: titleOf(start, 'day'),
    // Bars only grow: a day that lost money shows its cost alone, and the table the loss.
    values: { cost: Number(cost), margin: Math.max(0, Number(margin)) },
    isPartial: end > now,
  }));
  return (
    <Card title="Revenue by day">
      <Stack gap="md">
        <Facts
          of={[
            ['Revenue', <Money key="revenue" amount={total.revenue} />],
            ['Cost', <Money key="cost" amount={total.cost} />],
            ['Margin', <Money key="margin" amount={total.margin} />],
            ['Of the revenue', shareOf(total) || 'None'],
            ['Requests', total.requests.toLocaleString()],
          ]}
        />
        <StackedBars
          label="Cost and margin by day"
          bars={bars}
          series={SERIES.filter(({ id }) => !hidden.includes(id))}
          format={usdOfNumber}
        />
        <Legend series={SERIES} hidden={hidden} change={setHidden} />
        <BarsTable
          label="Cost and margin by day, as a table"
          unit="Day"
          bars={bars}
          series={SERIES}
          format={usdOfNumber}
        />
        <DataTable
          label={split === 'model' ? 'By model' : 'By upstream'}
          columns={columnsOf(split)}
          rows={revenue.parts}
          keyOf={({ id }) => id}
        />
      </Stack>
    </Card>
  );
}

const columnsOf = (split: Split): Column<Line>[] => [
  { name: split === 'model' ? 'Model' : 'Upstream', cell: ({ id }) => id || 'Unknown' },
  { name: 'Requests', align: 'right', cell: ({ requests }) => requests.toLocaleString() },
  { name: 'Revenue', align: 'right', cell: ({ revenue }) => <Money amount={revenue} /> },
  { name: 'Cost', align: 'right', cell: ({ cost }) => <Money amount={cost} /> },
  { name: 'Margin', align: 'right', cell: ({ margin }) => <Money amount={margin} /> },
  { name: 'Share', align: 'right', cell: shareOf },
];
