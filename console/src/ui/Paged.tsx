import { Button, Group } from '@mantine/core';
import type { InfiniteData, UseInfiniteQueryResult } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { Failed, Loading } from './States';

/** A page of any of the API's lists. */
export interface ListPage<Row> {
  data: Row[];
  has_more: boolean;
}

interface PagedProps<Row> {
  query: UseInfiniteQueryResult<InfiniteData<ListPage<Row>>>;
  /** What stands there when the list is empty. */
  empty: ReactNode;
  loading?: ReactNode;
  children: (rows: Row[]) => ReactNode;
}

/** A list that is read page by page, with all of its states. */
export function Paged<Row>({ query, empty, loading, children }: PagedProps<Row>) {
  if (query.data === undefined) {
    if (!query.isError) return <>{loading ?? <Loading lines={6} height={28} />}</>;
    return <Failed error={query.error} retry={() => void query.refetch()} />;
  }
  const rows = query.data.pages.flatMap((page) => page.data);
  if (rows.length === 0) return <>{empty}</>;
  return (
    <>
      {children(rows)}
      {query.isFetchNextPageError && (
        <Failed error={query.error} retry={() => void query.fetchNextPage()} />
      )}
      {query.hasNextPage && (
        <Group justify="center">
          <Button
            variant="default"
            loading={query.isFetchingNextPage}
            onClick={() => void query.fetchNextPage()}
          >
            Show more
          </Button>
        </Group>
      )}
    </>
  );
}
